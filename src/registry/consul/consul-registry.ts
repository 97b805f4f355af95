import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { AnswerRefusedError, RegistryUnavailableError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { type AliasKind, aliasId } from '../alias-record.ts'
import type { AuditKey } from '../audit/audit-key.ts'
import type { TrailFilter, TrailPage } from '../audit/audit-trail.ts'
import { batchAfter, parsePosition } from '../change-log.ts'
import { refuseMalformedCommit } from '../commit-rules.ts'
import { FeedRetry } from '../feed-retry.ts'
import { pageSize, passing } from '../list-filter.ts'
import { parseStoredRecord } from '../record-schema.ts'
import type {
  ChangeBatch,
  Commit,
  Entry,
  Expectation,
  Kind,
  ListFilter,
  Page,
  Registry,
} from '../registry.ts'
import { countByServer } from '../vicinity.ts'
import { Wakeup } from '../wakeup.ts'
import { parseConsulUrl } from './consul-address.ts'
import { parseHead, readTrail } from './consul-audit.ts'
import { ConsulClient, type Item } from './consul-client.ts'
import { operationsOf, type ReadEntry, refuseUnexpected } from './consul-commit.ts'
import { ConsulKeys, idOfKey } from './consul-keys.ts'
import { parseJson, parseLog } from './consul-log.ts'
import { prepare, readMeta } from './consul-meta.ts'

/** How a registry in Consul is opened and followed. */
export interface ConsulRegistryOptions {
  /** Changes kept for followers. Default 256: all of them are written anew with each commit. */
  readonly maxChanges?: number
  /** Milliseconds that one call may take, beside those a watch waits. Default 5,000. */
  readonly timeoutMs?: number
  /** Hears of a watch that failed, once for each reason until it is answered. */
  readonly onFault?: (fault: Error) => void
  /** Ends the opening, not what was opened. */
  readonly signal?: AbortSignal
  /** Seals what is written into the audit. Default: it stays unsealed. */
  readonly auditKey?: AuditKey | undefined
}

/** A watch answers at least so often, which tells followers that Consul still does. */
const WATCH_MS = 1_000
/** Records held at once while all are read. */
const AT_ONCE = 1_000
/** Tries of one commit or generation while others are quicker. */
const MAX_TRIES = 100

const Stored = z.object({ revision: z.int().positive(), record: z.unknown() })

/**
 * A registry under a prefix of Consul's key-value store. Commits take turns by compare-and-set of the change
 * log; nothing ever reads the values of a whole prefix, but lists without `tenant` read the names.
 */
export class ConsulRegistry implements Registry {
  readonly id: string
  readonly #client: ConsulClient
  readonly #keys: ConsulKeys
  readonly #maxChanges: number
  readonly #onFault: (fault: Error) => void
  readonly #auditKey: AuditKey | undefined
  readonly #closed = new AbortController()
  /** The last of our own writes: they queue here, so that one process does not race with itself. */
  #writing: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(
    id: string,
    client: ConsulClient,
    keys: ConsulKeys,
    options: Required<Omit<ConsulRegistryOptions, 'signal'>>,
  ) {
    this.id = id
    this.#client = client
    this.#keys = keys
    this.#maxChanges = options.maxChanges
    this.#onFault = options.onFault
    this.#auditKey = options.auditKey
  }

  /** @throws {InvalidConfigError} for the URL. {RegistryTooNewError} {RegistryUnavailableError} */
  static async open(url: Secret, options: ConsulRegistryOptions = {}): Promise<ConsulRegistry> {
    const resolved = { maxChanges: 256, timeoutMs: 5_000, onFault: () => {}, auditKey: undefined, ...options }
    const address = parseConsulUrl(url)
    const client = new ConsulClient(address, resolved.timeoutMs)
    const keys = new ConsulKeys(address.prefix)
    const onAbort = () => client.close()
    options.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return new ConsulRegistry(await prepare(client, keys), client, keys, resolved)
    } catch (error) {
      client.close()
      throw error
    } finally {
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  /** The version of the registry's schema; 0 where there is none. @throws as `open`. */
  static async schemaOf(url: Secret): Promise<number> {
    const address = parseConsulUrl(url)
    const client = new ConsulClient(address, 5_000)
    try {
      return (await readMeta(client, new ConsulKeys(address.prefix)))?.schema ?? 0
    } finally {
      client.close()
    }
  }

  async find<K extends Kind>(kind: K, id: string, signal?: AbortSignal): Promise<Entry<K> | undefined> {
    const item = await this.#client.getAnyhow(this.#keys.entry(kind, id), signal)
    if (item === undefined) return undefined
    const entry = entryOf(kind, id, item)
    return item.mayLag ? { ...entry, mayLag: true } : entry
  }

  async findByAlias(
    kind: AliasKind,
    value: string,
    signal?: AbortSignal,
  ): Promise<Entry<'tenant'> | undefined> {
    const alias = await this.find('alias', aliasId(kind, value), signal)
    return alias && this.find('tenant', alias.record.tenant, signal)
  }

  async list<K extends Kind>(
    kind: K,
    cursor?: string,
    filter: ListFilter = {},
    signal?: AbortSignal,
  ): Promise<Page<K>> {
    const ids = (await this.#idsOf(kind, filter, signal)).filter((id) => cursor === undefined || id > cursor)
    const size = pageSize(filter)
    const passes = passing(filter)
    const found: Entry<K>[] = []
    // One more than the page holds, to know whether there is a next one.
    for (let start = 0; start < ids.length && found.length <= size; start += size) {
      const keys = ids.slice(start, start + size).map((id) => this.#keys.entry(kind, id))
      const items = await this.#client.getMany(keys, signal)
      const entries = items.map((item) => entryOf(kind, idOfKey(item.key), item))
      found.push(...entries.filter(passes).sort((a, b) => (a.id < b.id ? -1 : 1)))
    }
    const entries = found.slice(0, size)
    return { entries, next: found.length > size ? entries.at(-1)?.id : undefined }
  }

  /** Reads them all: Consul does not count. */
  async tenantsByServer(signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const keys = await this.#client.keys(this.#keys.entries('tenant'), signal)
    const counts = new Map<string, number>()
    for (let start = 0; start < keys.length; start += AT_ONCE) {
      const items = await this.#client.getMany(keys.slice(start, start + AT_ONCE), signal)
      const entries = items.map((item) => entryOf('tenant', idOfKey(item.key), item))
      countByServer(entries, counts)
    }
    return counts
  }

  commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]> {
    return this.#inTurn(async () => {
      refuseMalformedCommit(commit, expectations)
      return this.#untilFirst('commit', async () => {
        // The log before the entries: when it is still the same at the end, so are they.
        const { log, head } = await this.#readLog()
        const read = await this.#readAll(expectations)
        refuseUnexpected(expectations, read, this.#keys)
        const plan = operationsOf(commit, expectations, read, log, {
          keys: this.#keys,
          maxChanges: this.#maxChanges,
          registry: this.id,
          key: this.#auditKey,
          head,
        })
        return (await this.#client.commit(plan.operations)) ? plan.revisions : undefined
      })
    })
  }

  auditTrail(cursor?: string, filter: TrailFilter = {}, signal?: AbortSignal): Promise<TrailPage> {
    return readTrail(this.#client, this.#keys, cursor, filter, signal)
  }

  nextGeneration(): Promise<number> {
    return this.#inTurn(() =>
      this.#untilFirst('generation', async () => {
        const item = await this.#client.get(this.#keys.generation)
        const next = z
          .int()
          .positive()
          .safeParse(Number(item?.value) + 1)
        if (item === undefined || !next.success) {
          throw new RegistryUnavailableError(
            "the registry's generation is not in Consul any more, or is not ours",
          )
        }
        return (await this.#client.compareAndSet(item.key, String(next.data), item.index))
          ? next.data
          : undefined
      }),
    )
  }

  async *changes(position: string | undefined, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const stopped = AbortSignal.any([signal, this.#closed.signal])
    let at = parsePosition(position)
    let index = 0
    const retry = new FeedRetry(this.#onFault)
    while (!stopped.aborted) {
      let batch: ChangeBatch | undefined
      try {
        const log = parseLog(await this.#client.watch(this.#keys.log, index, WATCH_MS, stopped))
        // Smaller than before after Consul was restored from a snapshot: begin anew, as Consul asks for.
        index = log.index < index ? 0 : log.index
        batch = batchAfter(log, at)
        retry.answered()
      } catch (error) {
        index = 0
        await retry.failed(error, new Wakeup(), stopped)
      }
      if (batch === undefined || stopped.aborted) continue
      at = Number(batch.position)
      yield batch
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#closed.abort()
    this.#client.close()
    await this.#writing
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(work)
    this.#writing = done.catch(() => {})
    return done
  }

  /** Tries until one attempt was first, with pauses by chance so that replicas do not meet again. */
  async #untilFirst<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const outcome = await attempt()
      if (outcome !== undefined) return outcome
      await pause(Math.random() * Math.min(5 * tries, 50), undefined, { signal: this.#closed.signal }).catch(
        () => {},
      )
    }
    throw new RegistryUnavailableError(`others were quicker with ${MAX_TRIES} tries of a ${what}`)
  }

  /** Together: nobody adds a link without a change of the log. */
  async #readLog() {
    const wanted = this.#auditKey ? [this.#keys.log, this.#keys.auditHead] : [this.#keys.log]
    const items = await this.#client.getMany(wanted)
    const itemOf = (name: string) => items.find(({ key }) => key === name)
    const log = parseLog(itemOf(this.#keys.log))
    return { log, head: this.#auditKey && parseHead(itemOf(this.#keys.auditHead)) }
  }

  async #readAll(expectations: readonly Expectation[]): Promise<Map<string, ReadEntry>> {
    const kinds = new Map(expectations.map(({ kind, id }) => [this.#keys.entry(kind, id), { kind, id }]))
    const items = await this.#client.getMany([...kinds.keys()])
    const read = new Map<string, ReadEntry>()
    for (const item of items) {
      const named = kinds.get(item.key)
      if (named !== undefined)
        read.set(item.key, { entry: entryOf(named.kind, named.id, item), index: item.index })
    }
    return read
  }

  async #idsOf(kind: Kind, { tenant }: ListFilter, signal: AbortSignal | undefined): Promise<string[]> {
    const isOfTenant = tenant !== undefined && kind !== 'tenant' && kind !== 'server'
    const folder = isOfTenant ? this.#keys.belongings(tenant, kind) : this.#keys.entries(kind)
    return (await this.#client.keys(folder, signal)).map(idOfKey).sort((a, b) => (a < b ? -1 : 1))
  }
}

function entryOf<K extends Kind>(kind: K, id: string, { value }: Item): Entry<K> {
  const stored = Stored.safeParse(parseJson(value))
  if (!stored.success)
    throw new AnswerRefusedError('unreadable', `the registry's ${kind} ${id} in Consul is not one of ours`)
  const { revision, record } = stored.data
  return { kind, id, revision, record: parseStoredRecord(kind, id, record) }
}

import { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import Consul from 'consul'
import { z } from 'zod'
import { CancelledError, RegistryUnavailableError, UnsupportedError } from '../../errors.ts'
import { refuseAborted } from '../abort.ts'
import { within } from '../within.ts'
import type { ConsulAddress } from './consul-address.ts'

/** A key's value and the index of its last change, for compare-and-set. */
export interface Item {
  readonly key: string
  readonly value: string
  readonly index: number
}

export type Operation =
  | { readonly verb: 'set' | 'cas'; readonly key: string; readonly value: string; readonly index?: number }
  | { readonly verb: 'delete' | 'check-not-exists'; readonly key: string }
  | { readonly verb: 'delete-cas' | 'check-index'; readonly key: string; readonly index: number }

/** A server without a leader keeps a caller for seconds before it says so; half of what a directory waits. */
const LEADER_MS = 1_000

/** Consul's own bound before 1.17. */
export const MAX_OPERATIONS = 64

const KeyValue = z.object({ Key: z.string(), Value: z.string().nullable(), ModifyIndex: z.int() })
const TransactionAnswer = z.object({ Results: z.array(z.object({ KV: KeyValue })).nullable() })

/** The package's error for it. */
const TransactionRefusal = z.object({
  response: z.object({ body: z.object({ Errors: z.array(z.object({ What: z.string() })) }) }),
})

interface CallContext {
  readonly ctx: EventEmitter
  readonly timeout: number
}

/**
 * The part of Consul's key-value API that we use. Every call ends in time; errors carry nothing of the
 * request, which holds the token.
 */
export class ConsulClient {
  readonly #consul: Consul
  readonly #timeoutMs: number
  /** Of calls under way. */
  readonly #contexts = new Set<EventEmitter>()
  #isClosed = false

  constructor({ isSecure, host, port, token, ca }: ConsulAddress, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#consul = new Consul({
      host: host.includes(':') ? `[${host}]` : host,
      port,
      secure: isSecure,
      agent: isSecure
        ? new https.Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
        : new http.Agent({ keepAlive: true }),
      ...(token === undefined ? {} : { defaults: { token: token.reveal() } }),
    })
  }

  async get(key: string, signal?: AbortSignal): Promise<Item | undefined> {
    const found: unknown = await this.#call(signal, (context) => this.#consul.kv.get({ key, ...context }))
    return found === undefined || found === null ? undefined : itemOf(KeyValue.parse(found))
  }

  /**
   * As `get`; where Consul has no leader to ask, from what the server at hand knows, and then the answer may lag.
   * @throws {RegistryUnavailableError} also when there is no leader and that server knows of no such key.
   */
  async getAnyhow(key: string, signal?: AbortSignal): Promise<(Item & { mayLag: boolean }) | undefined> {
    const stop = new AbortController()
    const signals = signal === undefined ? [stop.signal] : [signal, stop.signal]
    const late = () => new RegistryUnavailableError(`Consul: no answer in ${LEADER_MS} ms`)
    try {
      const item = await within(this.get(key, AbortSignal.any(signals)), LEADER_MS, late)
      return item && { ...item, mayLag: false }
    } catch (error) {
      stop.abort()
      refuseAborted(signal)
      const fromAnyServer = { key, stale: true }
      const found: unknown = await this.#call(signal, (context) =>
        this.#consul.kv.get({ ...fromAnyServer, ...context }),
      )
      if (found === undefined || found === null) throw error
      return { ...itemOf(KeyValue.parse(found)), mayLag: true }
    }
  }

  /** As `get`, but answers only when the key's index is beyond `index`, or after `waitMs`. */
  async watch(key: string, index: number, waitMs: number, signal: AbortSignal): Promise<Item | undefined> {
    const blocking = { key, index: String(index), wait: `${waitMs}ms` }
    // Consul waits up to a sixteenth longer, so that not all watchers come at once.
    const extraMs = waitMs * (17 / 16)
    const found: unknown = await this.#call(
      signal,
      (context) => this.#consul.kv.get({ ...blocking, ...context }),
      extraMs,
    )
    return found === undefined || found === null ? undefined : itemOf(KeyValue.parse(found))
  }

  /** Those of the keys that are there, in any order. */
  async getMany(keys: readonly string[], signal?: AbortSignal): Promise<Item[]> {
    const items: Item[] = []
    for (let start = 0; start < keys.length; start += MAX_OPERATIONS) {
      const some = keys.slice(start, start + MAX_OPERATIONS)
      items.push(...((await this.#getTogether(some, signal)) ?? (await this.#getEach(some, signal))))
    }
    return items
  }

  /** The names of all keys in a folder, which ends with `/`, without their values and without subfolders. */
  async keys(folder: string, signal?: AbortSignal): Promise<string[]> {
    const options = { key: folder, separator: '/' }
    const found = await this.#call(signal, (context) => this.#consul.kv.keys({ ...options, ...context }))
    return found === undefined ? [] : z.array(z.string()).parse(found)
  }

  /** @returns whether the key was still at `index` (0: not there) and now has the value. */
  compareAndSet(key: string, value: string, index: number): Promise<boolean> {
    return this.commit([{ verb: 'cas', key, value, index }])
  }

  /** @returns whether every check held and all of it was done; else nothing was. */
  async commit(operations: readonly Operation[]): Promise<boolean> {
    const answer = await this.#transact(operations.map(toConsul))
    return answer !== undefined
  }

  /** Ends calls under way and every connection. */
  close(): void {
    this.#isClosed = true
    for (const context of this.#contexts) context.emit('cancel')
    this.#consul.destroy()
  }

  /** Undefined when one of the keys is not there: then Consul gives none of them. */
  async #getTogether(keys: readonly string[], signal: AbortSignal | undefined): Promise<Item[] | undefined> {
    const answer = await this.#transact(
      keys.map((key) => ({ KV: { Verb: 'get', Key: key } })),
      signal,
    )
    if (answer === undefined) return undefined
    const items = TransactionAnswer.parse(answer).Results ?? []
    return items.map(({ KV }) => itemOf({ ...KV, Value: Buffer.from(KV.Value ?? '', 'base64').toString() }))
  }

  async #getEach(keys: readonly string[], signal: AbortSignal | undefined): Promise<Item[]> {
    const found: Item[] = []
    for (const key of keys) {
      const item = await this.get(key, signal)
      if (item !== undefined) found.push(item)
    }
    return found
  }

  /** Undefined when a check did not hold (409). */
  #transact(operations: unknown[], signal?: AbortSignal): Promise<unknown> {
    // The package's types know only other spellings of what Consul documents.
    const body = operations as Parameters<Consul['transaction']['create']>[0] & unknown[]
    return this.#call(signal, (context) =>
      this.#consul.transaction.create(body, { ...context, operations: [] }),
    )
  }

  async #call<T>(
    signal: AbortSignal | undefined,
    send: (context: CallContext) => Promise<T>,
    extraMs = 0,
  ): Promise<T | undefined> {
    refuseAborted(signal)
    if (this.#isClosed) throw new RegistryUnavailableError('the registry is closed')
    const ctx = new EventEmitter()
    const onAbort = () => ctx.emit('cancel')
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#contexts.add(ctx)
    try {
      return await send({ ctx, timeout: this.#timeoutMs + extraMs })
    } catch (error) {
      if (signal?.aborted) throw new CancelledError('the caller aborted', { cause: signal.reason })
      const status = statusOf(error)
      if (status === 404 || (status === 409 && !isDenied(error))) return undefined
      if (status === 413) throw tooLarge()
      throw new RegistryUnavailableError(`Consul: ${reasonOf(error, status)}`)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#contexts.delete(ctx)
    }
  }
}

function itemOf({ Key, Value, ModifyIndex }: z.output<typeof KeyValue>): Item {
  return { key: Key, value: Value ?? '', index: ModifyIndex }
}

function toConsul(operation: Operation): unknown {
  const { verb, key } = operation
  return {
    KV: {
      Verb: verb,
      Key: key,
      ...('value' in operation ? { Value: Buffer.from(operation.value).toString('base64') } : {}),
      ...('index' in operation ? { Index: operation.index } : {}),
    },
  }
}

/** By its own count: values go in base64, so 380 KiB of ours are as many as Consul takes unless it is told otherwise. */
function tooLarge(): UnsupportedError {
  return new UnsupportedError(
    'a change of that many bytes in Consul',
    'it takes 512 KiB as it is sent; txn_max_req_len and kv_max_value_size of its servers say how many',
  )
}

/** A transaction without the right to do it is answered as one whose checks do not hold. */
function isDenied(error: unknown): boolean {
  const refused = TransactionRefusal.safeParse(error)
  return (
    refused.success && refused.data.response.body.Errors.some(({ What }) => /permission denied/i.test(What))
  )
}

function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : undefined
}

/** Not the error itself: it holds the request with its token. */
function reasonOf(error: unknown, status: number | undefined): string {
  if (status !== undefined) return `answered ${status}${isDenied(error) ? ', permission denied' : ''}`
  if (!(error instanceof Error)) return 'no answer'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

import type { KeyRecord } from '../registry/key-record.ts'
import type { AuditEntry, Registry } from '../registry/registry.ts'
import type { CallObserver, CallRefusal } from './call-observer.ts'

const HOUR_MS = 3_600_000
const WRITE_EVERY_MS = 60_000
/** Pairs of key and tenant counted one by one in an hour; the rest of the hour's is counted together for each key. */
const MAX_COUNTED = 10_000
/** Tenants that one key is refused in an hour, counted one by one: whoever tries names must not fill the audit. */
const MAX_REFUSED = 100
/** Tenants that one entry names: it has to fit into a value of Consul. */
const TENANTS_IN_ENTRY = 50
/** Stands for the tenants beyond what is counted one by one. */
const OTHERS = '*'

interface Count {
  readonly hour: number
  readonly key: string
  readonly tenant: string
  /** Of a tenant's own key: whose it is. */
  readonly of: string | null
  /** Undefined: it was served. */
  readonly why: CallRefusal | undefined
  /** Not in the audit yet. */
  pending: number
  isWritten: boolean
}

export interface CallAuditTerms {
  /** Hears of what could not be written. It stays counted, and is tried again. */
  readonly onFault: (fault: unknown) => void
  /** Wall clock in milliseconds. */
  readonly now?: () => number
  /** Milliseconds between two looks at what is to be written. */
  readonly everyMs?: number
}

/**
 * Counts cross-tenant attempts, and uses of service keys, for each key, tenant and hour, and writes them into the audit: the
 * first ones within a minute, the rest when the hour is over. Until `close()`, which writes what is left.
 */
export class CallAudit implements CallObserver, AsyncDisposable {
  readonly #registry: Pick<Registry, 'commit'>
  readonly #terms: Required<CallAuditTerms>
  readonly #counts = new Map<string, Count>()
  /** Hour and key → tenants that it was refused. */
  readonly #refused = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  #writing: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(registry: Pick<Registry, 'commit'>, terms: CallAuditTerms) {
    this.#registry = registry
    this.#terms = { now: Date.now, everyMs: WRITE_EVERY_MS, ...terms }
    this.#timer = setInterval(() => void this.write(), this.#terms.everyMs).unref()
  }

  refused(key: KeyRecord, tenant: string, why: CallRefusal): void {
    this.#count(key, tenant, why)
  }

  served(key: KeyRecord, tenant: string): void {
    this.#count(key, tenant, undefined)
  }

  /** Writes what is due: the first of an hour, and what is left of hours that are over. Never rejects. */
  write(isLast = false): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeDue(isLast))
    return this.#writing
  }

  close(): Promise<void> {
    clearInterval(this.#timer)
    this.#closing ??= this.write(true)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #count(key: KeyRecord, tenant: string, why: CallRefusal | undefined): void {
    const hour = Math.floor(this.#terms.now() / HOUR_MS)
    const nameOf = (whose: string) => `${hour} ${key.id} ${why ?? ''} ${whose}`
    const counted = this.#counts.get(nameOf(tenant))
    const count = counted ?? this.#counts.get(nameOf(OTHERS)) ?? this.#begin(key, tenant, why, hour, nameOf)
    count.pending += 1
  }

  #begin(
    { id, scope }: KeyRecord,
    tenant: string,
    why: CallRefusal | undefined,
    hour: number,
    nameOf: (tenant: string) => string,
  ): Count {
    const refused = (this.#refused.get(`${hour} ${id}`) ?? 0) + 1
    if (why !== undefined) this.#refused.set(`${hour} ${id}`, refused)
    const isTooMany = this.#counts.size >= MAX_COUNTED || (why !== undefined && refused > MAX_REFUSED)
    const counted = isTooMany ? OTHERS : tenant
    const of = scope.kind === 'tenant' ? scope.tenant : null
    const count: Count = { hour, key: id, tenant: counted, of, why, pending: 0, isWritten: false }
    this.#counts.set(nameOf(counted), count)
    return count
  }

  async #writeDue(isLast: boolean): Promise<void> {
    const hour = Math.floor(this.#terms.now() / HOUR_MS)
    const isDue = (count: Count) => count.pending > 0 && (isLast || count.hour < hour || !count.isWritten)
    const due = [...this.#counts.values()].filter(isDue)
    const refused = due.filter(({ why }) => why !== undefined).map((count) => [count])
    const served = groups(due.filter(({ why }) => why === undefined))
    try {
      for (const counts of [...refused, ...served]) await this.#commit(counts)
    } catch (fault) {
      // What is not written stays counted, and is tried again.
      this.#terms.onFault(fault)
    }
    for (const [name, count] of this.#counts)
      if (count.hour < hour && count.pending === 0) this.#counts.delete(name)
    for (const name of this.#refused.keys()) if (!name.startsWith(`${hour} `)) this.#refused.delete(name)
  }

  /** @param counts one that was refused, or some of one key that were served. */
  async #commit(counts: readonly Count[]): Promise<void> {
    // What is counted while it is written belongs to the next entry.
    const pending = counts.map((count) => count.pending)
    const [first] = counts
    if (first === undefined) return
    const entry = first.why === undefined ? useOf(first, counts, pending) : refusalOf(first, pending[0] ?? 0)
    await this.#registry.commit({ audit: { ...entry, at: new Date(this.#terms.now()).toISOString() } }, [])
    counts.forEach((count, index) => {
      count.pending -= pending[index] ?? 0
      count.isWritten = true
    })
  }
}

function refusalOf(
  { hour, key, tenant, of, why = 'tenant_mismatch' }: Count,
  count: number,
): Omit<AuditEntry, 'at'> {
  const detail = { why, count, hour: isoOf(hour), ...(of === null ? {} : { keyOf: of }) }
  return { actor: `key:${key}`, action: 'call.refuse', target: tenant, tenant, detail }
}

function useOf(
  { key, hour }: Count,
  counts: readonly Count[],
  pending: readonly number[],
): Omit<AuditEntry, 'at'> {
  const each = counts.map(({ tenant }, index) => [`tenant ${tenant}`, pending[index] ?? 0] as const)
  return {
    actor: `key:${key}`,
    action: 'call.serve',
    target: key,
    detail: { hour: isoOf(hour), ...Object.fromEntries(each) },
  }
}

/** Of one key and one hour, and no more than fit into an entry. */
function groups(counts: readonly Count[]): Count[][] {
  const byKey = new Map<string, Count[][]>()
  for (const count of counts) {
    const name = `${count.hour} ${count.key}`
    const some = byKey.get(name) ?? [[]]
    byKey.set(name, some)
    const last = some.at(-1) ?? []
    if (last.length < TENANTS_IN_ENTRY) last.push(count)
    else some.push([count])
  }
  return [...byKey.values()].flat()
}

function isoOf(hour: number): string {
  return new Date(hour * HOUR_MS).toISOString()
}

import type { AuditEntry, Registry } from '../registry/registry.ts'
import type { CallObserver, CallRefusal, CallSubject } from './call-observer.ts'

const HOUR_MS = 3_600_000
const WRITE_EVERY_MS = 60_000
/** Pairs of caller and tenant counted one by one in an hour; the rest of the hour's is counted together for each key. */
const MAX_COUNTED = 10_000
/** Tenants that one caller is refused in an hour, counted one by one: whoever tries names must not fill the audit. */
const MAX_REFUSED = 100
/** Tenants that one entry names: it has to fit into a value of Consul. */
const TENANTS_IN_ENTRY = 50
/** Stands for the tenants beyond what is counted one by one. */
const OTHERS = '*'

interface Count {
  readonly hour: number
  readonly kind: 'key' | 'token' | 'session'
  readonly id: string
  readonly tenant: string
  /** Of a tenant's own key or token: whose it is. */
  readonly of: string | null
  /** Undefined: it was served. */
  readonly why: CallRefusal | undefined
  /** Where the first one came from, if that is known. */
  readonly client: string | undefined
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
 * Counts cross-tenant attempts, and uses of service keys, for each caller, tenant and hour, and writes them into the audit: the
 * first ones within a minute, the rest when the hour is over. Until `close()`, which writes what is left.
 */
export class CallAudit implements CallObserver, AsyncDisposable {
  readonly #registry: Pick<Registry, 'commit'>
  readonly #terms: Required<CallAuditTerms>
  readonly #counts = new Map<string, Count>()
  /** Hour and actor → tenants that it was refused. */
  readonly #refused = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  #writing: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(registry: Pick<Registry, 'commit'>, terms: CallAuditTerms) {
    this.#registry = registry
    this.#terms = { now: Date.now, everyMs: WRITE_EVERY_MS, ...terms }
    this.#timer = setInterval(() => void this.write(), this.#terms.everyMs).unref()
  }

  refused(subject: CallSubject, tenant: string, why: CallRefusal, client?: string): void {
    this.#count(subject, tenant, why, client)
  }

  served(key: CallSubject, tenant: string): void {
    this.#count(key, tenant, undefined, undefined)
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

  #count(subject: CallSubject, tenant: string, why: CallRefusal | undefined, client?: string): void {
    const hour = Math.floor(this.#terms.now() / HOUR_MS)
    const counted = (id: string, whose: string) => this.#counts.get(nameOf(hour, subject, id, why, whose))
    const count =
      counted(subject.id, tenant) ??
      counted(subject.id, OTHERS) ??
      counted(OTHERS, OTHERS) ??
      this.#begin(hour, subject, tenant, why, client)
    count.pending += 1
  }

  #begin(
    hour: number,
    subject: CallSubject,
    tenant: string,
    why: CallRefusal | undefined,
    client: string | undefined,
  ): Count {
    const isFull = this.#counts.size >= MAX_COUNTED
    // There are as many keys as were made, but as many tokens as an issuer likes.
    const id = isFull && subject.scope.kind === 'token' ? OTHERS : subject.id
    const caller = `${hour} ${callerOf(subject, id)}`
    const refused = (this.#refused.get(caller) ?? 0) + 1
    if (why !== undefined) this.#refused.set(caller, refused)
    const isTooMany = isFull || (why !== undefined && refused > MAX_REFUSED)
    const counted = isTooMany ? OTHERS : tenant
    const count: Count = {
      hour,
      kind: kindOf(subject.scope.kind),
      id,
      tenant: counted,
      of: ownerOf(subject, id),
      why,
      client,
      pending: 0,
      isWritten: false,
    }
    this.#counts.set(nameOf(hour, subject, id, why, counted), count)
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
  { hour, kind, id, tenant, of, client, why = 'tenant_mismatch' }: Count,
  count: number,
): Omit<AuditEntry, 'at'> {
  const detail = {
    why,
    count,
    hour: isoOf(hour),
    ...(of === null ? {} : { [`${kind}Of`]: of }),
    ...(client === undefined ? {} : { client }),
  }
  const actor = kind === 'session' ? kind : `${kind}:${id}`
  return { actor, action: 'call.refuse', target: tenant, tenant, detail }
}

function useOf(
  { id, hour }: Count,
  counts: readonly Count[],
  pending: readonly number[],
): Omit<AuditEntry, 'at'> {
  const each = counts.map(({ tenant }, index) => [`tenant ${tenant}`, pending[index] ?? 0] as const)
  return {
    actor: `key:${id}`,
    action: 'call.serve',
    target: id,
    detail: { hour: isoOf(hour), ...Object.fromEntries(each) },
  }
}

function kindOf(kind: CallSubject['scope']['kind']): Count['kind'] {
  return kind === 'token' || kind === 'session' ? kind : 'key'
}

function nameOf(
  hour: number,
  subject: CallSubject,
  id: string,
  why: CallRefusal | undefined,
  tenant: string,
): string {
  return `${hour} ${callerOf(subject, id)} ${why ?? ''} ${tenant}`
}

/** Ids hold no blanks. The users of two tenants may have one id. */
function callerOf(subject: CallSubject, id: string): string {
  return `${subject.scope.kind} ${ownerOf(subject, id) ?? ''} ${id}`
}

/** Of a tenant's own key or token: whose it is. */
function ownerOf({ scope }: CallSubject, id: string): string | null {
  return id !== OTHERS && 'tenant' in scope ? scope.tenant : null
}

/** Of one key and one hour, and no more than fit into an entry. */
function groups(counts: readonly Count[]): Count[][] {
  const byKey = new Map<string, Count[][]>()
  for (const count of counts) {
    const name = `${count.hour} ${count.id}`
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

import { codeOf } from '../crossing/tally.ts'

/** What a client was told of its write: it is there; it is not; or nobody knows. */
export type Told = 'acknowledged' | 'refused' | 'unknown'

/** Of these the statement may have been sent, and may have taken effect. All others say that it has not. */
const UNKNOWN: ReadonlySet<string> = new Set([
  'outcome_unknown',
  'lease_expired',
  'cancelled',
  'statement_timeout',
])

/** Every write by its id, as its client saw it end. */
export class Journal {
  readonly writes = new Map<string, { readonly tenant: string; readonly told: Told }>()
  readonly codes = new Map<string, number>()
  slowestMs = 0
  #number = 0

  next(): string {
    return `write-${++this.#number}`
  }

  /** Runs one write and keeps what came of it. */
  async keep(tenant: string, id: string, write: Promise<unknown>): Promise<void> {
    const began = performance.now()
    let told: Told = 'acknowledged'
    try {
      await write
    } catch (error) {
      const code = codeOf(error)
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
      told = UNKNOWN.has(code) ? 'unknown' : 'refused'
    }
    this.slowestMs = Math.max(this.slowestMs, performance.now() - began)
    this.writes.set(id, { tenant, told })
  }

  count(told: Told): number {
    return [...this.writes.values()].filter((write) => write.told === told).length
  }

  /** Where tables and journal disagree, in words; `found` is how often each id is in its tenant's table. */
  faults(tenant: string, found: ReadonlyMap<string, number>): string[] {
    const faults: string[] = []
    for (const [id, times] of found) {
      const write = this.writes.get(id)
      if (write?.tenant !== tenant) faults.push(`${id} of ${write?.tenant} is in the table of ${tenant}`)
      else if (times > 1) faults.push(`${id} was applied ${times} times`)
      else if (write.told === 'refused') faults.push(`${id} was refused and is there`)
    }
    for (const [id, write] of this.writes) {
      if (write.tenant === tenant && write.told === 'acknowledged' && !found.has(id)) {
        faults.push(`${id} was acknowledged and is not there`)
      }
    }
    return faults
  }
}

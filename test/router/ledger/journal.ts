import { codeOf } from '../crossing/tally.ts'

/** What a client was told of its write: it is there; nobody knows; or, by any other error, it is not. */
export type Told = 'acknowledged' | 'unknown' | 'refused'

interface Write {
  readonly tenant: string
  /** The error's; `ok` where there was none. */
  readonly code: string
}

export interface Account {
  readonly writes: Readonly<Record<Told, number>>
  /** They are there, though their clients were told of an error. */
  readonly committedButErrored: number
  /** Where tables and journal disagree, in words. */
  readonly faults: readonly string[]
  /** How often each error was told. */
  readonly codes: Readonly<Record<string, number>>
  readonly slowestMs: number
}

/** Every write by its id, as its client saw it end. */
export class Journal {
  readonly #writes = new Map<string, Write>()
  #slowestMs = 0
  #number = 0

  next(): string {
    return `write-${++this.#number}`
  }

  /** Runs one write and keeps what came of it. */
  async keep(tenant: string, id: string, write: Promise<unknown>): Promise<void> {
    const began = performance.now()
    const code = await write.then(() => 'ok', codeOf)
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - began)
    this.#writes.set(id, { tenant, code })
  }

  /** @param tables by tenant, how often each id is there. */
  compare(tables: ReadonlyMap<string, ReadonlyMap<string, number>>): Account {
    const writes = { acknowledged: 0, unknown: 0, refused: 0 }
    const codes: Record<string, number> = {}
    let committedButErrored = 0
    for (const [id, { tenant, code }] of this.#writes) {
      writes[toldBy(code)]++
      if (code === 'ok') continue
      codes[code] = (codes[code] ?? 0) + 1
      if (tables.get(tenant)?.has(id)) committedButErrored++
    }
    const faults = [...tables].flatMap(([tenant, found]) => this.#faults(tenant, found))
    return { writes, committedButErrored, faults, codes, slowestMs: this.#slowestMs }
  }

  #faults(tenant: string, found: ReadonlyMap<string, number>): string[] {
    const faults: string[] = []
    for (const [id, times] of found) {
      const write = this.#writes.get(id)
      if (write?.tenant !== tenant) faults.push(`${id} of ${write?.tenant} is in the table of ${tenant}`)
      else if (times > 1) faults.push(`${id} was applied ${times} times`)
      else if (toldBy(write.code) === 'refused') faults.push(`${id} was answered ${write.code} and is there`)
    }
    for (const [id, { code, ...write }] of this.#writes) {
      if (write.tenant === tenant && code === 'ok' && !found.has(id)) {
        faults.push(`${id} was acknowledged and is not there`)
      }
    }
    return faults
  }
}

function toldBy(code: string): Told {
  if (code === 'ok') return 'acknowledged'
  // Of all others a client concludes that its write is not there, and may send it again.
  return code === 'outcome_unknown' ? 'unknown' : 'refused'
}

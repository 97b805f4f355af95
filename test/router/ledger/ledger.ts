import { expect, it } from 'vitest'
import { percentile } from '../fault-ground.ts'
import { DEADLINE_MS, type Healing, runLedger } from './run.ts'

export interface LedgerTerms {
  /** By names, in their order. */
  readonly faults: readonly string[]
  readonly warmUp: readonly string[]
  /** Milliseconds from the end of a fault until a tenant is served: of 95 in 100, and of all. */
  readonly healing: { readonly p95Ms: number; readonly longestMs: number }
  /** Milliseconds past its deadlines that a write may take. */
  readonly graceMs: number
  /** That the heap may grow after the warm-up. */
  readonly slackBytes: number
}

export function describeLedger({ faults, warmUp, healing, graceMs, slackBytes }: LedgerTerms): void {
  it(`finds every acknowledged write once, of the others those called unknown alone, and nothing left over after ${faults.length} faults`, async () => {
    const { account, healings, unhandled, resources, grownBytes } = await runLedger(faults, warmUp)
    const { writes, committedButErrored, codes, slowestMs } = account
    const figures = { writes, committedButErrored, codes, slowestMs, grownBytes, healing: healed(healings) }
    process.stdout.write(`ledger: ${JSON.stringify(figures)}\n`)

    expect(account.faults).toEqual([])
    expect(unhandled).toEqual([])
    expect(writes.acknowledged).toBeGreaterThan(20 * faults.length)
    expect(writes.unknown).toBeGreaterThan(0)
    expect(committedButErrored).toBeLessThanOrEqual(writes.unknown)
    expect(slowestMs).toBeLessThan(DEADLINE_MS + graceMs)
    expect(figures.healing.p95Ms).toBeLessThanOrEqual(healing.p95Ms)
    expect(figures.healing.longestMs).toBeLessThanOrEqual(healing.longestMs)
    expect(resources.after).toEqual(resources.before)
    expect(grownBytes).toBeLessThan(slackBytes)
  }, 1_800_000)
}

/** Over all faults, and for reading the longest of each. */
function healed(healings: readonly Healing[]) {
  const times = healings.map(({ ms }) => Math.round(ms))
  const byFault: Record<string, number> = {}
  for (const { fault, ms } of healings) byFault[fault] = Math.max(byFault[fault] ?? 0, Math.round(ms))
  return { count: times.length, p95Ms: percentile(times, 0.95), longestMs: Math.max(...times), byFault }
}

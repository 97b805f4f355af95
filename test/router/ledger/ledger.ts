import { expect, it } from 'vitest'
import { DEADLINE_MS, runLedger } from './run.ts'

export function describeLedger(
  faults: readonly string[],
  terms: { servedAgainMs: number; graceMs: number },
): void {
  it(`finds every acknowledged write once, and none that was refused, after ${faults.length} faults`, async () => {
    const { journal, faults: wrong, healedMs, unhandled } = await runLedger(faults)
    const figures = {
      writes: journal.writes.size,
      acknowledged: journal.count('acknowledged'),
      refused: journal.count('refused'),
      unknown: journal.count('unknown'),
      codes: Object.fromEntries(journal.codes),
      slowestMs: Math.round(journal.slowestMs),
      healedMs: Object.fromEntries(healedMs),
    }
    process.stdout.write(`ledger: ${JSON.stringify(figures)}\n`)

    expect(wrong).toEqual([])
    expect(unhandled).toEqual([])
    expect(figures.acknowledged).toBeGreaterThan(20 * faults.length)
    expect(figures.refused + figures.unknown).toBeGreaterThan(0)
    expect(figures.slowestMs).toBeLessThan(DEADLINE_MS + terms.graceMs)
    for (const [fault, ms] of healedMs)
      expect({ fault, isSoon: ms <= terms.servedAgainMs }).toEqual({ fault, isSoon: true })
  }, 1_800_000)
}

import { expect, it } from 'vitest'
import { tooRare } from './mix.ts'
import { ACQUIRE_MS, type CrossingTerms, LEASE_MS, runCrossing } from './run.ts'

const GRACE_MS = 1_000

export function describeNeverCrossing(
  terms: Pick<CrossingTerms, 'leases' | 'killEveryMs' | 'rotateEveryMs'>,
): void {
  const { leases } = terms
  it(`answers ${leases.toLocaleString('en')} mixed leases of 64 tenants by 32 workers on 16 connections, each with its own, whole`, async () => {
    const { tally, figures, sessions, left, ledgers } = await runCrossing({
      tenants: 64,
      budget: 16,
      workers: 32,
      ...terms,
    })
    process.stdout.write(`never crossing: ${JSON.stringify(figures)}\n`)

    expect(tally.violations).toEqual([])
    expect(tally.leases).toBeGreaterThanOrEqual(leases)
    // One operation for each backend that was killed, at most; those killed as they were opened fail who waited for them.
    expect(tally.disturbed + figures.openFailed).toBeLessThanOrEqual(figures.kills)
    expect(tally.refused).toBeLessThanOrEqual(figures.openFailed * 32)
    expect(tally.longestWaitMs).toBeLessThan(ACQUIRE_MS + GRACE_MS)
    expect(tally.slowestMs).toBeLessThan(ACQUIRE_MS + LEASE_MS + GRACE_MS)
    // They come by the clock, so the quicker the machine, the fewer; a run without them shows nothing.
    expect(figures.kills).toBeGreaterThanOrEqual(leases / 400)
    expect(figures.rotations).toBeGreaterThanOrEqual(leases / 800)
    expect(tally.disturbed).toBeGreaterThanOrEqual(leases / 2_000)
    expect(tooRare(tally)).toEqual([])
    expect(sessions.samples).toBeGreaterThan(100)
    expect(sessions.most).toBeGreaterThan(8)
    expect(sessions.most).toBeLessThanOrEqual(16)
    expect(sessions.mostHeadroom).toBeLessThanOrEqual(3)
    expect(left).toEqual({ sessions: 0, out: 0, waiters: 0, pools: 0 })
    for (const [tenant, { own, other }] of ledgers) {
      const committed = tally.committed.get(tenant) ?? 0
      expect(other).toBe(0)
      expect(own).toBeGreaterThanOrEqual(committed)
      expect(own).toBeLessThanOrEqual(committed + (tally.unknown.get(tenant) ?? 0))
    }
  }, 1_800_000)
}

import { expect, it } from 'vitest'
import { sharedPostgres } from '../../support/postgres.ts'
import { startWorld } from '../../support/world.ts'
import { codesOf, forMs, hammer, type Outcome, outcome, ownRows } from '../fault-ground.ts'
import { moveTo } from './another-server.ts'

const CALLS_PER_MS = 1
const TICK_MS = 10

/** A thousand calls a second, whether or not those before have been answered. */
async function flood(call: () => Promise<unknown>, ms: number): Promise<Outcome[]> {
  const began = performance.now()
  const calls: Promise<Outcome>[] = []
  await new Promise<void>((resolve) => {
    const ticking = setInterval(() => {
      const elapsed = Math.min(ms, performance.now() - began)
      while (calls.length < elapsed * CALLS_PER_MS) calls.push(outcome(call()))
      if (elapsed < ms) return
      clearInterval(ticking)
      resolve()
    }, TICK_MS)
  })
  return Promise.all(calls)
}

export function describeFloodingTenant({ ms }: { ms: number }): void {
  it(`waits for itself, with 1,000 calls a second for ${ms} ms: others, on its server or not, are served without error`, async () => {
    await using world = await startWorld(['acme', 'globex', 'initech'], {
      serverBudget: 8,
      maxConnectionsPerTenant: 4,
      acquireTimeoutMs: 1_000,
    })
    await moveTo(world, ['initech'], 'other', sharedPostgres())
    const sleep = async () => {
      using lease = await world.lease('acme')
      await lease.run({ text: 'select pg_sleep(0.3)' })
    }
    const [flooding, others] = await Promise.all([
      flood(sleep, ms),
      hammer(4, (n) => ownRows(world, n % 2 ? 'globex' : 'initech'), forMs(ms)),
    ])
    expect(flooding).toHaveLength(ms * CALLS_PER_MS)
    // What it may have on its server, or in line: no more.
    expect(codesOf(flooding)).toEqual(['acquire_timeout', 'ok', 'too_many_waiters'])
    expect(codesOf(others)).toEqual(['ok'])
    expect(others.length).toBeGreaterThan(20)
  })
}

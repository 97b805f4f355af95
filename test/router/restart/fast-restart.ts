import { expect, it } from 'vitest'
import { type OwnPostgresServer, startPostgres } from '../../support/postgres.ts'
import { startWorld, type World } from '../../support/world.ts'
import { codesOf, hammer, type Outcome, ownRows } from '../fault-ground.ts'

const TENANTS = ['acme', 'globex', 'initech']
/** What a caller may read while a server goes, is away and comes back. */
export const WORDS = ['circuit_open', 'connection_lost', 'ok', 'outcome_unknown', 'server_unavailable']
/** Of the worst call, and from the server's return until a tenant is served. */
const WORST_MS = 2_000
const NEVER_MS = 5_000

interface Restart {
  readonly outcomes: readonly Outcome[]
  /** Milliseconds after the server's return, by tenant. */
  readonly served: ReadonlyMap<string, number>
}

async function restartUnderLoad(world: World, server: OwnPostgresServer): Promise<Restart> {
  for (const tenant of TENANTS) await ownRows(world, tenant)
  let backAt = Number.POSITIVE_INFINITY
  const restarting = server.restart().then(() => {
    backAt = performance.now()
  })
  const served = new Map<string, number>()
  const outcomes = await hammer(
    6,
    async (n) => {
      const tenant = TENANTS[n % 3] ?? 'acme'
      await ownRows(world, tenant)
      const now = performance.now()
      if (now > backAt && !served.has(tenant)) served.set(tenant, now - backAt)
    },
    () => served.size === 3 || performance.now() > backAt + NEVER_MS,
  )
  await restarting
  return { outcomes, served }
}

export function describeFastRestart(rounds: number): void {
  it(`fails no call later than two seconds in ${rounds} restarts, and serves every tenant within two of the return`, async () => {
    await using server = await startPostgres()
    await using world = await startWorld(TENANTS, { server })
    let worstMs = 0
    for (let round = 0; round < rounds; round++) {
      const { outcomes, served } = await restartUnderLoad(world, server)
      expect([...served.values()].filter((ms) => ms > WORST_MS)).toEqual([])
      expect(served.size).toBe(3)
      expect(codesOf(outcomes).filter((code) => !WORDS.includes(code))).toEqual([])
      expect(codesOf(outcomes).filter((code) => code !== 'ok')).not.toEqual([])
      worstMs = Math.max(worstMs, ...outcomes.map(({ tookMs }) => tookMs))
    }
    expect(worstMs).toBeLessThanOrEqual(WORST_MS)
  }, 600_000)
}

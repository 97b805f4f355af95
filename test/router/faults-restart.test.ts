import { describe, expect, it, vi } from 'vitest'
import { asTenantryError, problemOf } from '../../src/http/problem.ts'
import { startPostgres } from '../support/postgres.ts'
import { startWorld } from '../support/world.ts'
import { codesOf, forMs, hammer, outcome, ownRows } from './fault-ground.ts'
import { describeFastRestart } from './restart/fast-restart.ts'

const TENANTS = ['acme', 'globex', 'initech']

describeFastRestart(1)

describe('a server that is restarted smartly', () => {
  it('lets transactions under way finish, and answers all others 503 without opening its breaker', async () => {
    await using server = await startPostgres()
    await using world = await startWorld(TENANTS, { server })
    const opened: string[] = []
    world.router.on('breakerOpened', (event) => opened.push(event.server))
    using lease = await world.lease('acme')
    await lease.run({ text: 'begin' })
    await lease.run({ text: "insert into notes values (21, 'acme', 'under way')" })
    process.kill(server.pid, 'SIGTERM')
    const refused = await vi.waitFor(async () => {
      const { code, error } = await outcome(world.lease('globex'))
      expect(code).toBe('server_unavailable')
      return asTenantryError(error)
    })
    expect(refused).toMatchObject({ sqlstate: '57P03' })
    expect(problemOf(refused, 'r1')).toMatchObject({ status: 503, retryAfterSeconds: 2 })
    let attempts = 0
    world.router.on('openFailed', () => attempts++)
    const outcomes = await hammer(6, (n) => world.lease(n % 2 ? 'globex' : 'initech'), forMs(1_000))
    expect(codesOf(outcomes)).toEqual(['server_unavailable'])
    expect(attempts).toBeLessThanOrEqual(3)
    expect(opened).toEqual([])
    await lease.run({ text: 'commit' })
    lease.release()
    await server.restart()
    await vi.waitFor(() => ownRows(world, 'globex'), { timeout: 5_000, interval: 20 })
    expect(
      await server.query('select id from notes where id = 21', [], world.placeOf('acme').database),
    ).toEqual([{ id: 21 }])
  })
})

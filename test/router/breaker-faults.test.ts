import { describe, expect, it } from 'vitest'
import { asTenantryError, problemOf } from '../../src/http/problem.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startWorld } from '../support/world.ts'
import { outcome } from './fault-ground.ts'
import { describeClosingServer } from './faults/closing-server.ts'
import { describeRefusingServer } from './faults/refusing-server.ts'

const SECONDS = 3

describe('a server that nothing listens for', () => {
  describeRefusingServer({ seconds: SECONDS })

  it('is answered with 503, a code of its own and when to try again; hosts and roles stay in the log', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['acme'], { address: proxy })
    await proxy.setMode('refuse')
    const first = await outcome(world.lease('acme'))
    const second = await outcome(world.lease('acme'))
    expect([first.code, second.code]).toEqual(['server_unavailable', 'circuit_open'])
    const problem = problemOf(asTenantryError(second.error), 'r1')
    expect(problem).toMatchObject({ status: 503, code: 'circuit_open', retryAfterSeconds: 1 })
    const { role, database } = world.placeOf('acme')
    for (const secret of ['127.0.0.1', String(proxy.port), role, database])
      expect(JSON.stringify(problem)).not.toContain(secret)
    expect(String(second.error)).toContain('main')
  })
})

describe('a server that takes connections and ends them', () => {
  describeClosingServer({ seconds: SECONDS })
})

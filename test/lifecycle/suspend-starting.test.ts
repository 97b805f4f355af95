import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { targetOf } from '../../src/registry/route.ts'
import { LifecycleGround, sqlstateOf } from './ground.ts'
import { holdLogins, isLetIn } from './held-login.ts'

async function target({ parts, registry }: LifecycleGround, id: string) {
  const tenant = await registry.find('tenant', id)
  const server = await registry.find('server', 'main')
  if (!tenant || !server) throw new Error('the ground is not whole')
  return targetOf(tenant.record, server.record, parts.sealer, registry.id)
}

describe.each([15, 18] as const)('a login that Postgres %i has let in and does not show yet', (version) => {
  it('ends with the suspension of its tenant, before it can run anything', async () => {
    await using ground = await LifecycleGround.withServer(version)
    const schema = 'create table ran (at timestamptz default now())'
    await provisionTenant({ ...ground.parts, scramIterations: 1 }, { id: 'acme', schema }, 'test')
    const { host, port, user, password, database } = await target(ground, 'acme')
    await using held = await holdLogins(ground, database)
    const client = new pg.Client({ host, port, user, password: password?.reveal(), database })
    client.on('error', () => undefined) // ended by the server, which is what this is about
    const outcome = sqlstateOf(client.connect().then(() => client.query('insert into ran default values')))
    await isLetIn(ground, database)
    const suspended = await suspendTenant(ground.parts, 'acme', {}, 'test')
    expect(suspended).toMatchObject({ fence: 'database', sessionsEnded: 1 })
    await held.letGo()
    expect(await outcome).toBeDefined()
    expect(await ground.server.query('select from ran', [], database)).toEqual([])
  })
})

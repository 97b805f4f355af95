import { describe, expect, it } from 'vitest'
import { acceptServer } from '../../src/lifecycle/server/accept-server.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { checkTenant } from '../../src/lifecycle/tenant/check-tenant.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { LifecycleGround, randomName } from '../lifecycle/ground.ts'
import { startPgBouncer } from '../support/pgbouncer.ts'

describe.each(['transaction', 'session'] as const)('a server behind a pooler in %s mode', (poolMode) => {
  it('is put on record with its tenants, and provisions none', async () => {
    await using ground = await LifecycleGround.start(18)
    const { user, password } = ground.server.superuser
    const name = randomName('home')
    await ground.foreign(name, [name])
    await using pooler = await startPgBouncer({
      server: ground.server,
      poolMode,
      authUser: { name: user, password },
      databases: { acme_home: name },
    })
    const dsn = `postgres://${name}:pw@127.0.0.1:${pooler.port}/acme_home?sslmode=disable`
    const via = `${poolMode}-pooler` as const
    const { parts } = ground
    const add = (more: object) => addServer(parts, { id: 'pooled', dsn, via, ...more }, 'test')
    await expect(add({ maxConnections: 50 })).rejects.toMatchObject({ code: 'precondition_failed' })
    await expect(add({ provision: false })).rejects.toMatchObject({ code: 'precondition_failed' })
    const { server } = await add({ provision: false, maxConnections: 500 })
    expect(server).toMatchObject({ via, admin: null, budget: { maxConnections: 500 } })

    const { tenant } = await registerTenant(parts, { id: 'acme', route: { dsn } }, 'test')
    expect(tenant).toMatchObject({ server: 'pooled', database: 'acme_home', status: 'active' })
    expect(tenant?.identity).toMatchObject({ kind: 'pin', databaseName: name })
    expect(await checkTenant(parts, 'acme', 'test')).toMatchObject({ id: 'acme' })
    const { tenants } = await acceptServer(parts, 'pooled', {}, 'test')
    expect(tenants).toMatchObject([{ tenant: 'acme', outcome: 'as_recorded' }])
    await pooler.stop() // it keeps its connections to the database, which is dropped next
  })
})

import { describe, expect, it, vi } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { resumeTenant } from '../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { LifecycleGround, randomName, sqlstateOf } from './ground.ts'

describe.each([15, 18] as const)('suspending a provisioned tenant on Postgres %i', (version) => {
  it('ends its sessions and makes the database refuse it until it is resumed', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const session = await ground.connect('acme')
    const { database } = (await ground.tenant('acme')).route
    const suspended = await suspendTenant(ground.parts, 'acme', { reason: 'unpaid' }, 'test')
    expect(suspended).toMatchObject({
      fence: 'database',
      sessionsEnded: 1,
      caveat: null,
      tenant: { status: 'suspended', statusReason: 'unpaid' },
    })
    expect(await ground.server.sessionsOf(database)).toBe(0)
    expect(await sqlstateOf(session.query('select 1'))).toBeDefined()
    expect(await sqlstateOf(ground.connect('acme'))).toBe('28000')
    expect(await resumeTenant(ground.parts, 'acme', 'test')).toMatchObject({
      status: 'active',
      statusReason: null,
    })
    await (await ground.connect('acme')).end()
  })

  it('may be done twice, and says when this process cannot lock the role', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const serving = { ...ground.parts, adminSealer: undefined }
    const first = await suspendTenant(serving, 'acme', {}, 'test')
    expect(first).toMatchObject({ fence: 'registry', caveat: expect.stringMatching(/ADMIN_KEY/) })
    expect(await suspendTenant(ground.parts, 'acme', {}, 'test')).toMatchObject({ fence: 'database' })
    await expect(resumeTenant(serving, 'acme', 'test')).rejects.toThrow(/ADMIN_KEY/)
    expect((await ground.tenant('acme')).status).toBe('suspended')
    expect(await resumeTenant(ground.parts, 'acme', 'test')).toMatchObject({ status: 'active' })
  })
})

describe('suspending', () => {
  it('holds in the registry, and says so, where the server is not on record any more', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const revision = (await ground.registry.find('server', 'main'))?.revision ?? 0
    const main = { kind: 'server' as const, id: 'main' }
    const audit = {
      actor: 'test',
      action: 'remove',
      target: 'main',
      at: new Date().toISOString(),
      detail: {},
    }
    await ground.registry.commit({ removes: [main], audit }, [{ ...main, revision }])
    expect(await suspendTenant(ground.parts, 'acme', {}, 'test')).toMatchObject({
      fence: 'registry',
      sessionsEnded: 0,
      caveat: expect.stringMatching(/server_unknown/),
      tenant: { status: 'suspended' },
    })
  })

  it('ends the sessions of a registered tenant in its own database only, and leaves its role as it is', async () => {
    await using ground = await LifecycleGround.start(18)
    const names = [randomName('r'), randomName('r')] as const
    const dsnOf = await ground.foreign(randomName('role'), names)
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(names[0]) } }, 'test')
    await registerTenant(ground.parts, { id: 'globex', route: { dsn: dsnOf(names[1]) } }, 'test')
    const acme = await ground.connect('acme')
    const globex = await ground.connect('globex')
    const suspended = await suspendTenant(ground.parts, 'acme', {}, 'test')
    expect(suspended).toMatchObject({ fence: 'registry', sessionsEnded: 1 })
    expect(suspended.caveat).toMatch(/not ours to lock/)
    expect(await sqlstateOf(acme.query('select 1'))).toBeDefined()
    expect(await sqlstateOf(globex.query('select 1'))).toBeUndefined()
    await globex.end()
    await (await ground.connect('acme')).end()
    expect(await resumeTenant(ground.parts, 'acme', 'test')).toMatchObject({ status: 'active' })
    await vi.waitFor(async () => expect(await ground.server.sessionsOf(names[0])).toBe(0))
    await vi.waitFor(async () => expect(await ground.server.sessionsOf(names[1])).toBe(0))
  })

  it('suspends in the registry even where the server cannot be reached, and says so', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const entry = await ground.registry.find('server', 'main')
    if (!entry) throw new Error('no server')
    const gone = { ...entry.record, endpoints: [{ role: 'primary' as const, host: '127.0.0.1', port: 1 }] }
    await ground.registry.commit(
      {
        puts: [{ kind: 'server', id: 'main', record: gone }],
        audit: { actor: 't', action: 't', target: 't', at: new Date().toISOString(), detail: {} },
      },
      [{ kind: 'server', id: 'main', revision: entry.revision }],
    )
    const suspended = await suspendTenant(ground.parts, 'acme', {}, 'test')
    expect(suspended).toMatchObject({ fence: 'registry', tenant: { status: 'suspended' } })
    expect(suspended.caveat).toMatch(/server_unavailable/)
  })

  it('refuses unknown tenants and those that are neither active nor suspended', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await expect(suspendTenant(ground.parts, 'nobody', {}, 'test')).rejects.toMatchObject({
      code: 'tenant_unknown',
    })
    await expect(resumeTenant(ground.parts, '__proto__', 'test')).rejects.toMatchObject({
      code: 'invalid_tenant_id',
    })
    const schema = 'nonsense'
    await expect(provisionTenant(ground.parts, { id: 'acme', schema }, 'test')).rejects.toThrow('42601')
    const refused = { code: 'precondition_failed' }
    await expect(suspendTenant(ground.parts, 'acme', {}, 'test')).rejects.toMatchObject(refused)
    await expect(resumeTenant(ground.parts, 'acme', 'test')).rejects.toMatchObject(refused)
  })
})

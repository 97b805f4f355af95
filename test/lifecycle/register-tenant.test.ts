import { describe, expect, it } from 'vitest'
import { parseDsn } from '../../src/connection/dsn.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { checkTenant } from '../../src/lifecycle/tenant/check-tenant.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { LifecycleGround, randomName } from './ground.ts'

describe.each([15, 18] as const)('registering a database on Postgres %i', (version) => {
  it('pins it by what only it has', async () => {
    await using ground = await LifecycleGround.start(version)
    const [name] = [randomName('r')]
    const dsnOf = await ground.foreign(randomName('role'), [name])
    const { probe } = await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    const [facts] = await ground.server.query(
      `select system_identifier::text as "systemIdentifier", d.oid::int as "databaseOid", d.datname as "databaseName"
         from pg_control_system(), pg_database d where d.datname = current_database()`,
      [],
      name,
    )
    expect(probe.pin).toMatchObject({ kind: 'pin', shared: false, ...facts })
    expect((await ground.tenant('acme')).identity).toEqual(probe.pin)
  })
})

describe('registering', () => {
  it('keeps nothing on a dry run', async () => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const dsnOf = await ground.foreign(randomName('role'), [name])
    const input = { id: 'acme', route: { dsn: dsnOf(name) }, dryRun: true }
    const { tenant, probe } = await registerTenant(ground.parts, input, 'test')
    expect(tenant).toBeNull()
    expect(probe).toMatchObject({ serverIsNew: true, postgres: 18 })
    expect(await ground.registry.find('tenant', 'acme')).toBeUndefined()
    expect((await ground.registry.list('server')).entries).toEqual([])
  })

  it('refuses a second tenant in the same database unless it is said to be shared', async () => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const dsnOf = await ground.foreign(randomName('role'), [name])
    const route = { dsn: dsnOf(name) }
    await registerTenant(ground.parts, { id: 'acme', route }, 'test')
    // The same server by another name is another server on record, and the same database all the same.
    const elsewhere = { dsn: route.dsn.replace('127.0.0.1', 'localhost') }
    for (const same of [route, elsewhere]) {
      await expect(registerTenant(ground.parts, { id: 'globex', route: same }, 'test')).rejects.toThrow(
        /acme lives/,
      )
    }
    const { probe } = await registerTenant(ground.parts, { id: 'globex', route, shared: true }, 'test')
    expect(probe.isolation.findings).toContainEqual(expect.stringMatching(/is used by acme too/))
  })

  it('refuses an id that is taken, and a login that the server refuses, naming no password', async () => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const role = randomName('role')
    const dsnOf = await ground.foreign(role, [name])
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    const again = registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    await expect(again).rejects.toMatchObject({ code: 'already_exists' })
    const dsn = ground.server.dsn(name, role, 'canary-password')
    const wrong = await registerTenant(ground.parts, { id: 'globex', route: { dsn } }, 'test').catch(String)
    expect(wrong).toMatch(/LoginFailedError/)
    expect(wrong).not.toMatch(/canary/)
  })

  it("keeps to the role's connection limit", async () => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const role = randomName('role')
    const dsnOf = await ground.foreign(role, [name])
    await ground.server.execute(`alter role ${role} connection limit 3`)
    const { tenant } = await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    expect(tenant?.limits.maxConnections).toBe(3)
  })

  it('opens the password only for the tenant it was sealed for', async () => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const dsnOf = await ground.foreign(randomName('role'), [name])
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    const { route, generation } = await ground.tenant('acme')
    const binding = { registry: ground.registry.id, generation, field: 'route.password' }
    if (route.password === null) throw new Error('no password was kept')
    const password = ground.parts.sealer.open(route.password, { ...binding, subject: 'acme' })
    expect(password.reveal()).toBe(parseDsn(dsnOf(name)).password?.reveal())
    const { sealer } = ground.parts
    const { password: sealed } = route
    expect(() => sealer.open(sealed, { ...binding, subject: 'globex' })).toThrow(/does not open/)
  })
})

describe('isolation', () => {
  it('is found for a role that owns nothing, belongs to nobody and reaches no other tenant', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    expect((await ground.tenant('acme')).isolation?.isolated).toBe(true)
  })

  it.each([
    ['owns its database', [], /owns database/],
    ['may make roles', ['alter role %r createrole'], /CREATEROLE/],
    ['may make databases', ['alter role %r createdb'], /CREATEDB/],
    ['is a superuser', ['alter role %r superuser'], /SUPERUSER/],
    ['may bypass row security', ['alter role %r bypassrls'], /BYPASSRLS/],
    ['is a member of another role', ['grant pg_monitor to %r'], /member of pg_monitor/],
  ])('is missing where the role %s', async (_, statements, finding) => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const role = randomName('role')
    const dsnOf = await ground.foreign(role, [name])
    for (const statement of statements) await ground.server.execute(statement.replace('%r', role))
    const { probe } = await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    expect(probe.isolation.isolated).toBe(false)
    expect(probe.isolation.findings).toContainEqual(expect.stringMatching(finding))
  })

  it('ends for those whose role may enter a database that is registered later', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const name = randomName('r') // as CREATE DATABASE leaves it: open to everyone
    const dsnOf = await ground.foreign(randomName('role'), [name])
    const { probe } = await registerTenant(
      ground.parts,
      { id: 'globex', route: { dsn: dsnOf(name) } },
      'test',
    )
    expect(probe.nowNotIsolated).toEqual(['acme'])
    expect((await ground.tenant('acme')).isolation).toMatchObject({
      isolated: false,
      findings: [expect.stringMatching(/may connect to the database of globex/)],
    })
    await ground.server.execute(`revoke connect on database ${name} from public`)
    expect((await checkTenant(ground.parts, 'acme', 'test')).isolation?.isolated).toBe(true)
    expect((await ground.tenant('acme')).isolation?.isolated).toBe(true)
  })

  it('is missing from the start where an open database is registered already', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const name = randomName('r')
    const dsnOf = await ground.foreign(randomName('role'), [name])
    await registerTenant(ground.parts, { id: 'globex', route: { dsn: dsnOf(name) } }, 'test')
    const { tenant } = await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    expect(tenant.isolation?.findings).toEqual([expect.stringContaining(`may connect to ${name}`)])
  })
})

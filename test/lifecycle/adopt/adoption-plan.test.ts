import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import type { ServerRecord } from '../../../src/registry/server-record.ts'
import { audit } from '../../support/world-records.ts'
import { sqlstateOf } from '../ground.ts'
import { AdoptGround } from './adopt-ground.ts'

const q = pg.escapeIdentifier
const NOT_FOR_YOU = '42501'

describe('the plan of an adoption', () => {
  it('changes nothing, names the roles that will be made, and who loses access', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const bystander = await world.role('bystander')
    const registry = () => readFile(join(world.ground.folder, 'registry.yaml'), 'utf8')
    const before = [await world.catalog(acme), await registry()]
    const { did, plan } = await adoptTenant(world.parts, 'acme', { dryRun: true }, 'test')
    expect([did, plan?.obstacles]).toEqual(['planned', []])
    expect([await world.catalog(acme), await registry()]).toEqual(before)
    expect(plan?.found).toMatchObject({
      databaseOwner: acme.owner,
      publicMay: { database: ['TEMPORARY', 'CONNECT'], schemaPublic: ['USAGE'] },
      role: { name: acme.role, attributes: [], memberOf: [], ownsDatabases: [acme.database], verifier: null },
      mayConnect: expect.arrayContaining([bystander, acme.role]),
      otherTenants: { inDatabase: [], onRole: [] },
      objects: expect.arrayContaining([{ owner: acme.owner, kind: 'table', count: 2 }]),
    })
    const close = plan?.steps.find(({ name }) => name === 'close')
    expect(close?.does).toBe(`REVOKE TEMPORARY, CONNECT ON DATABASE ${q(acme.database)} FROM PUBLIC`)
    expect(close?.consequence).toMatch(/^\d+ logins? loses? access: |^\d+ logins lose/)
    expect(plan?.loseAccess).toContain(bystander)
    for (const kept of [acme.role, world.ground.admin.role]) expect(plan?.loseAccess).not.toContain(kept)
    await adoptTenant(world.parts, 'acme', {}, 'test')
    const roles = plan?.steps.find(({ name }) => name === 'roles')
    for (const role of await world.made()) expect(roles?.does).toContain(role)
    const gone = await sqlstateOf(world.login(acme.database, bystander))
    expect(gone).toBe(NOT_FOR_YOU)
  })

  it('is all that is done', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const OURS = /t_[a-z2-7]{26}|tenantry/
    // What is ours, and what was granted to ours, is in the plan by its name.
    const others = async () => {
      const lines = (await world.catalog(acme)).map((line) =>
        line.replaceAll(/,t_[a-z2-7]{26}_\w+=[^,}]*/g, ''),
      )
      return new Set(lines.filter((line) => !OURS.test(line)))
    }
    const before = await others()
    await adoptTenant(world.parts, 'acme', {}, 'test')
    const after = await others()
    const kindOf = (line: string) => line.split('|', 2).join(' ')
    const gone = [...before].filter((line) => !after.has(line)).map(kindOf)
    const fresh = [...after].filter((line) => !before.has(line)).map(kindOf)
    expect(gone).toEqual([`database ${acme.database}`, 'schema public'])
    expect(fresh).toEqual([...Array(5).fill(`default ${acme.role}`), 'schema public'])
  })

  it('says the statement that lets the admin in, and nothing is done before it ran', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register({ granted: false })
    const before = await world.catalog(acme)
    const statement = `GRANT ${q(acme.owner)} TO ${q(world.ground.admin.role)} WITH INHERIT TRUE, SET TRUE`
    const { plan } = await adoptTenant(world.parts, 'acme', { dryRun: true }, 'test')
    expect(plan?.obstacles.map(({ remedy }) => remedy)).toEqual([statement])
    await expect(adoptTenant(world.parts, 'acme', {}, 'test')).rejects.toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining(statement),
    })
    expect(await world.catalog(acme)).toEqual(before)
    await world.ground.server.execute(statement)
    expect(await adoptTenant(world.parts, 'acme', {}, 'test')).toMatchObject({ did: 'adopted' })
  })

  it('refuses what rights cannot stand for', async () => {
    await using world = await AdoptGround.start(18)
    const { database, role } = await world.register()
    const cases = [
      ['alter table notes enable row level security', 'alter table notes disable row level security'],
      ['select lo_create(4711)', 'select lo_unlink(4711)'],
      ['create schema tenantry', 'drop schema tenantry'],
      [`alter role ${q(role)} set role to pg_monitor`, `alter role ${q(role)} reset role`],
      [`alter role ${q(role)} superuser`, `alter role ${q(role)} nosuperuser`],
    ] as const
    const found: unknown[] = []
    for (const [text, back] of cases) {
      await world.ground.server.execute(text, database)
      const { plan } = await adoptTenant(world.parts, 'acme', { dryRun: true }, 'test')
      found.push(plan?.obstacles.at(-1)?.what.replaceAll(role, 'R'))
      await expect(adoptTenant(world.parts, 'acme', {}, 'test')).rejects.toMatchObject({
        code: 'precondition_failed',
      })
      await world.ground.server.execute(back, database)
    }
    expect(found).toEqual([
      expect.stringContaining('Row security is on for public.notes'),
      expect.stringContaining('1 large objects'),
      expect.stringContaining('There is a schema tenantry'),
      expect.stringContaining('Role R becomes role pg_monitor'),
      expect.stringContaining('Role R is a superuser'),
    ])
    expect(await world.made()).toEqual([])
  })

  it('refuses a server behind a pooler, with a password provider, or without an admin, and says what to do', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const before = await world.catalog(acme)
    const { registry, parts } = world.ground
    const adoptOn = async (change: Partial<ServerRecord>) => {
      const entry = await registry.find('server', 'main')
      if (entry === undefined) throw new Error('no server')
      const commit = async (record: ServerRecord) => {
        const present = await registry.find('server', 'main')
        if (present === undefined) throw new Error('no server')
        const put = { kind: 'server' as const, id: 'main', record }
        await registry.commit({ puts: [put], audit: audit('main') }, [present])
      }
      await commit({ ...entry.record, ...change })
      for (const dryRun of [true, false]) {
        const refused = adoptTenant(parts, 'acme', { dryRun }, 'test')
        await expect(refused).rejects.toMatchObject({ code: 'precondition_failed' })
      }
      const { message } = await adoptTenant(parts, 'acme', {}, 'test').catch((error) => error)
      await commit(entry.record)
      return String(message)
    }
    for (const via of ['session-pooler', 'transaction-pooler'] as const)
      expect(await adoptOn({ via })).toMatch(new RegExp(`is a ${via}: .*Put its address on record`))
    expect(await adoptOn({ passwordProvider: 'tokens' })).toMatch(/has a password provider: .*without one/)
    expect(await adoptOn({ admin: null })).toMatch(/no admin login on record\. Add it again with one/)
    expect(await world.catalog(acme)).toEqual(before)
    expect((await world.ground.tenant('acme')).operation).toBeNull()
  })

  it('refuses tenants that share a role or a database, those of our making, and those that are suspended', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const { server, parts } = world.ground
    const dsn = server.dsn(acme.database, acme.role, 'pw')
    await registerTenant(parts, { id: 'globex', route: { dsn }, shared: true }, 'test')
    const refused = adoptTenant(parts, 'globex', {}, 'test')
    await expect(refused).rejects.toThrow(/The database is that of acme too\. .*Role .* is that of acme too/)
    await provisionTenant(parts, { id: 'made' }, 'test')
    await expect(adoptTenant(parts, 'made', {}, 'test')).rejects.toThrow('only a registered one')
    await suspendTenant(parts, 'acme', {}, 'test')
    await expect(adoptTenant(parts, 'acme', {}, 'test')).rejects.toThrow('only an active one')
    await expect(adoptTenant({ ...parts, adminSealer: undefined }, 'acme', {}, 'test')).rejects.toMatchObject(
      {
        code: 'precondition_failed',
      },
    )
  })
})

import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { revokeCredential } from '../../../src/lifecycle/credentials/credentials.ts'
import { issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startRewrap } from '../../../src/lifecycle/rewrap/rewrap-secrets.ts'
import { rotateTenant } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { acceptServer } from '../../../src/lifecycle/server/accept-server.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { setTenant } from '../../../src/lifecycle/tenant/set-tenant.ts'
import { generateMasterKey, MasterKeys } from '../../../src/registry/master-keys.ts'
import { Sealer } from '../../../src/registry/sealing.ts'
import { sharedPostgres } from '../../support/postgres.ts'
import { randomName, sqlstateOf } from '../ground.ts'
import { AdoptGround } from './adopt-ground.ts'

const q = pg.escapeIdentifier
const NOT_FOR_YOU = '42501'

describe.each([15, 18] as const)('adopting on Postgres %i', (version) => {
  it('closes the database to everybody else, and the application and the old login have what they had, made later too', async () => {
    await using world = await AdoptGround.start(version)
    const acme = await world.register()
    await provisionTenant(world.parts, { id: 'globex' }, 'test')
    const { role: stranger } = (await world.ground.tenant('globex')).route
    await (await world.ground.connect('globex', acme.database)).end()

    const { did, tenant, isReversible } = await adoptTenant(world.parts, 'acme', {}, 'test')
    expect([did, isReversible]).toEqual(['adopted', true])
    expect(tenant).toMatchObject({
      origin: 'provisioned',
      epoch: 2,
      database: acme.database,
      operation: null,
    })
    expect(tenant.isolation).toMatchObject({ isolated: true, findings: [] })
    expect(tenant.identity).toMatchObject({ kind: 'stamp' })
    expect(tenant.role).toMatch(/^t_[a-z2-7]{26}_a$/)
    expect(stranger).not.toBe(tenant.role)
    expect(await sqlstateOf(world.ground.connect('globex', acme.database))).toBe(NOT_FOR_YOU)
    expect(await sqlstateOf(world.query('acme', "update tenantry.stamp set state = 'moved'"))).toBe(
      NOT_FOR_YOU,
    )
    await world.query(
      'acme',
      "insert into notes (body) values ('new'); update notes set body = body; truncate app.moods",
    )
    expect(await world.query('acme', 'select app.twice(id) as n from app.latest')).toEqual([{ n: 4 }])
    const old = await world.login(acme.database, acme.role)
    await old.query('alter table notes add column more text; create table made_later (id serial)')
    await old.end()
    await world.query('acme', 'insert into made_later default values')
    await world.query(
      'acme',
      'create table own (id serial); create schema mine; create table mine.own (id int)',
    )
    const other = tenant.role.replace(/a$/, 'b')
    const rights = await world.ground.server.query(
      `select r, t, has_table_privilege(r::name, t::regclass, 'INSERT') as may, has_schema_privilege(r::name, 'mine', 'CREATE') as makes
         from unnest(array[$1, $2]) r, unnest(array['own', 'mine.own']) t`,
      [other, acme.role],
      acme.database,
    )
    expect(rights.map(({ may, makes }) => [may, makes])).toEqual(Array(4).fill([true, true]))
  })

  it('is undone to the very access lists that were there, and what was made meanwhile stays', async () => {
    await using world = await AdoptGround.start(version)
    const acme = await world.register()
    const reader = await world.role('reader')
    await world.ground.server.execute(
      `set role ${q(acme.role)}; revoke connect on database ${q(acme.database)} from public;
       grant connect on database ${q(acme.database)} to ${q(reader)} with grant option;
       grant connect on database ${q(acme.database)} to public`,
    )
    const before = await world.catalog(acme)
    const record = await world.ground.tenant('acme')
    await adoptTenant(world.parts, 'acme', {}, 'test')
    await world.query('acme', 'create table mine (id int); insert into mine values (1)')
    const undone = await adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')
    expect(undone).toMatchObject({
      did: 'undone',
      tenant: { origin: 'registered', role: acme.role, epoch: 3 },
    })
    expect(await world.query('acme', 'select id from mine')).toEqual([{ id: 1 }])
    await world.query('acme', 'drop table mine')
    expect(await world.catalog(acme)).toEqual(before)
    expect(await world.made()).toEqual([])
    const after = await world.ground.tenant('acme')
    expect(after.identity).toEqual(record.identity)
    expect(JSON.stringify(await world.ground.registry.list('operation'))).not.toContain('ciphertext')
  })

  it('gives the new logins what the old one may, and no more, where it owns nothing', async () => {
    await using world = await AdoptGround.start(version)
    const acme = await world.register({ owner: 'another' })
    const before = await world.catalog(acme)
    await adoptTenant(world.parts, 'acme', {}, 'test')
    await world.query(
      'acme',
      "insert into notes (body) values ('new'); update notes set body = 'x'; select app.twice(1) from app.moods",
    )
    for (const text of [
      'delete from notes',
      'update notes set id = 9',
      'truncate app.moods',
      'create table app.x (id int)',
    ])
      expect([text, await sqlstateOf(world.query('acme', text))]).toEqual([text, NOT_FOR_YOU])
    await world.ground.server.execute(
      `set role ${q(acme.owner)}; create table app.later (id int)`,
      acme.database,
    )
    expect(await world.query('acme', 'select * from app.later')).toEqual([])
    await (await world.login(acme.database, acme.role)).end()
    await world.ground.server.execute('drop table app.later', acme.database)
    await adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')
    expect(await world.catalog(acme)).toEqual(before)
  })
})

describe('an adopted tenant', () => {
  it('keeps the search path and the settings of its old role', async () => {
    await using world = await AdoptGround.start(15)
    const acme = await world.register()
    await world.ground.server.execute(
      `set role ${q(acme.role)}; create schema ${q(acme.role)}; create table ${q(acme.role)}.own as select 1 as n; reset role;
       alter role ${q(acme.role)} set work_mem to '5MB'; alter database ${q(acme.database)} set search_path to "$user", app`,
      acme.database,
    )
    await adoptTenant(world.parts, 'acme', {}, 'test')
    const [row] = await world.query(
      'acme',
      "select n, current_setting('work_mem') as mem, twice(n) as two from own",
    )
    expect(row).toEqual({ n: 1, mem: '5MB', two: 2 })
  })

  it('is rotated as one of our making, and undone from either login, once those of people are revoked', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const before = await world.catalog(acme)
    await adoptTenant(world.parts, 'acme', {}, 'test')
    await world.query('acme', 'create table mine (id serial)')
    await rotateTenant(world.parts, 'acme', { hearMs: 0 }, 'test')
    const { route } = await world.ground.tenant('acme')
    expect(route.slot).toBe('b')
    await world.query('acme', 'insert into mine default values; delete from notes where false')
    const { credential, dsn } = await issueCredential(world.parts, 'acme', { readOnly: true }, 'test')
    const person = new pg.Client({ connectionString: dsn.reveal() })
    await person.connect()
    expect((await person.query('select body from notes')).rows).toEqual([{ body: 'old' }])
    expect(await sqlstateOf(person.query('delete from notes'))).toBe(NOT_FOR_YOU)
    await person.end()
    await expect(adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')).rejects.toThrow(
      `revoke ${credential.role} first`,
    )
    await revokeCredential(world.parts, 'acme', credential.role, 'test')
    await adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')
    await world.query('acme', 'drop table mine')
    expect([await world.catalog(acme), await world.made()]).toEqual([before, []])
  })

  it('has login roles with the limit that it was given while it was adopted', async () => {
    await using world = await AdoptGround.start(18)
    await world.register()
    const onStep = async ({ name }: { name: string }) => {
      if (name === 'stamp') await setTenant(world.parts, 'acme', { limits: { maxConnections: 2 } }, 'test')
    }
    const { tenant } = await adoptTenant({ ...world.parts, onStep }, 'acme', {}, 'test')
    const found = await world.ground.server.query(
      `select distinct rolconnlimit as n from pg_roles where starts_with(rolname, $1) and rolname ~ '_[ab]$'`,
      [tenant.role.slice(0, -1)],
    )
    expect(found).toEqual([{ n: 2 * 4 + 3 }])
  })

  it('is no neighbour of a database of the same name on another cluster', async () => {
    await using world = await AdoptGround.start(18)
    const name = randomName('t')
    await world.register({ database: name })
    await adoptTenant(world.parts, 'acme', {}, 'test')
    const elsewhere = sharedPostgres(15)
    await elsewhere.createRole(name, 'pw')
    await elsewhere.createDatabase(name)
    const route = { dsn: elsewhere.dsn(name, name, 'pw') }
    const { probe } = await registerTenant(world.parts, { id: 'globex', route, dryRun: true }, 'test')
    expect([probe.isolation.findings, probe.nowNotIsolated]).toEqual([[], []])
    await elsewhere.dropDatabase(name)
    await elsewhere.dropRole(name)
  })

  it('that is undone is as isolated as it is then, and so are those whom it lets in again', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    await adoptTenant(world.parts, 'acme', {}, 'test')
    await provisionTenant(world.parts, { id: 'globex' }, 'test')
    const { role } = (await world.ground.tenant('globex')).route
    const isolationOf = async (id: string) => (await world.ground.tenant(id)).isolation
    expect(await isolationOf('globex')).toMatchObject({ isolated: true })
    const seen: unknown[] = []
    const onStep = async ({ name }: { name: string }) => {
      if (name !== 'drain') return
      seen.push((await isolationOf('acme'))?.isolated, (await isolationOf('globex'))?.isolated)
      await provisionTenant(world.parts, { id: 'initech' }, 'test')
    }
    await adoptTenant({ ...world.parts, onStep }, 'acme', { undo: true, hearMs: 0 }, 'test')
    expect(seen).toEqual([false, false])
    expect((await isolationOf('globex'))?.findings).toEqual([
      `role ${role} may connect to the database of acme`,
    ])
    expect((await isolationOf('acme'))?.findings).toEqual([
      `role ${acme.role} owns database ${acme.database}`,
    ])
    expect(await isolationOf('initech')).toMatchObject({ isolated: false })
  })

  it('is undone with the passwords of before, sealed again under another master key', async () => {
    await using world = await AdoptGround.start(18)
    const { role } = await world.register()
    await adoptTenant(world.parts, 'acme', {}, 'test')
    const keys = [generateMasterKey().reveal(), world.ground.keys.master.reveal()]
    const partsWith = (...held: string[]) => ({
      ...world.parts,
      sealer: new Sealer(MasterKeys.fromText(held.join(','))),
    })
    await (await startRewrap(partsWith(...keys), { dryRun: false }, 'test')).result
    const later = partsWith(...keys.slice(0, 1))
    expect(await adoptTenant(later, 'acme', { undo: true, hearMs: 0 }, 'test')).toMatchObject({
      tenant: { role },
    })
  })

  it('is as the doctor wants it, who tells of the old login until that is kept out', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    await adoptTenant(world.parts, 'acme', {}, 'test')
    expect(await world.told('acme')).toEqual([expect.stringMatching(new RegExp(`^info: .*${acme.role}`))])
    await adoptTenant(world.parts, 'acme', { confirm: true, lockOldRole: true, hearMs: 0 }, 'test')
    expect(await world.told('acme')).toEqual([])
  })

  it('is accepted by its stamp, with its password set again, after a server was put back', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const { tenant } = await adoptTenant(world.parts, 'acme', {}, 'test')
    const accept = async () => (await acceptServer(world.parts, 'main', {}, 'test')).tenants
    expect(await accept()).toEqual([expect.objectContaining({ tenant: 'acme', outcome: 'as_recorded' })])
    const incarnation = crypto.randomUUID()
    await world.ground.server.execute(
      `update tenantry.stamp set incarnation = '${incarnation}'`,
      acme.database,
    )
    await world.ground.server.execute(`alter role ${tenant.role} password 'of long ago'`)
    expect(await accept()).toEqual([expect.objectContaining({ outcome: 'accepted', refusal: null })])
    expect((await world.ground.tenant('acme')).identity).toEqual({ kind: 'stamp', incarnation })
    expect(await world.query('acme', 'select body from notes')).toEqual([{ body: 'old' }])
  })

  it('cannot be undone once confirmed, and its old login is kept out where that is asked for', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    await adoptTenant(world.parts, 'acme', {}, 'test')
    await (await world.login(acme.database, acme.role)).end()
    const confirmed = await adoptTenant(
      world.parts,
      'acme',
      { confirm: true, lockOldRole: true, hearMs: 0 },
      'test',
    )
    // The admin did not make the role, so that it cannot lock it; the door of the database is ours.
    expect(confirmed).toMatchObject({ did: 'confirmed', isReversible: false, oldLogin: 'shut_out' })
    expect(await sqlstateOf(world.login(acme.database, acme.role))).toBe(NOT_FOR_YOU)
    await expect(adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')).rejects.toThrow(
      /no adoption to undo/,
    )
    expect(JSON.stringify(await world.ground.registry.list('operation'))).not.toContain('ciphertext')
    expect(await world.query('acme', 'select body from notes')).toEqual([{ body: 'old' }])
  })

  it('stays adopted where its old login does not come in any more', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    await adoptTenant(world.parts, 'acme', {}, 'test')
    await world.ground.server.execute(`alter role ${q(acme.role)} password 'changed'`)
    await expect(adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')).rejects.toMatchObject({
      code: 'login_failed',
    })
    expect((await world.ground.tenant('acme')).origin).toBe('provisioned')
    expect(await adoptTenant(world.parts, 'acme', {}, 'test')).toMatchObject({ did: 'adopted', plan: null })
  })
})

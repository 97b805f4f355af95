import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { PURGE_STEPS, purgeTenant } from '../../src/lifecycle/delete/purge-tenant.ts'
import { undeleteTenant } from '../../src/lifecycle/delete/undelete-tenant.ts'
import { diagnose } from '../../src/lifecycle/doctor/doctor.ts'
import { showOperation } from '../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { makeKey } from '../../src/registry/api-key.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { audit } from '../support/world-records.ts'
import { dyingAfter, dyingAt, runningOf, successor } from './dying.ts'
import { LifecycleGround, randomName } from './ground.ts'
import { holdLogins, isLetIn } from './held-login.ts'
import { deletedTenant, entriesOf, namedAfter, purgeNow, SCHEMA } from './purge-ground.ts'

const GONE = 'the process is gone'
const ONLY_THE_PURGE = ['purge done']

let ground: LifecycleGround
beforeAll(async () => {
  ground = await LifecycleGround.withServer(18)
})
afterAll(() => ground[Symbol.asyncDispose]())

describe.each([
  [15, ['roles', 'schema']],
  [18, ['roles', 'database', 'open', 'furnish', 'schema']],
] as const)('purging on Postgres %i', (version, halves) => {
  let own: LifecycleGround
  beforeAll(async () => {
    own = await LifecycleGround.withServer(version)
  })
  afterAll(() => own[Symbol.asyncDispose]())

  it('leaves nothing on the server or in the registry, and says what it found gone', async () => {
    const database = await deletedTenant(own, 'acme')
    const { generation } = await own.tenant('acme')
    const purged = await purgeNow(own, 'acme')
    expect(purged).toMatchObject({ tenant: 'acme', generation })
    expect(purged.receipt.map(({ what, outcome, count }) => [what, outcome, count])).toEqual([
      ['sessions', 'gone', 0],
      ['database', 'gone', 1],
      ['roles', 'gone', expect.any(Number)],
      ['keys', 'gone', 2],
      ['aliases', 'gone', 2],
      ['operations', 'gone', 2],
      ['record', 'gone', 1],
    ])
    const said = purged.receipt.map(({ detail }) => detail).join('\n')
    for (const name of [database, `${database}_owner`, `${database}_a`, `${database}_b`])
      expect(said).toContain(name)
    expect(await namedAfter(own, database)).toEqual([])
    expect(await entriesOf(own.registry, 'acme')).toEqual(ONLY_THE_PURGE)
  })

  it.each(halves)('removes what there is of a tenant whose making stopped after %s', async (name) => {
    const id = `after-${name}`
    const onStep = (step: { name: string }) => {
      if (step.name === name) throw new Error('no further')
    }
    const half = provisionTenant({ ...own.parts, onStep }, { id, schema: SCHEMA }, 'test')
    await expect(half).rejects.toThrow('no further')
    const { database } = (await own.tenant(id)).route
    expect(await namedAfter(own, database)).not.toEqual([])
    await deleteTenant(own.parts, id, { confirm: id }, 'test')
    await purgeNow(own, id)
    expect(await namedAfter(own, database)).toEqual([])
    expect(await entriesOf(own.registry, id)).toEqual(ONLY_THE_PURGE)
  })

  it('drops roles that the admin is no member of, and further ones of the database, whoever logs in elsewhere meanwhile', async () => {
    const database = await deletedTenant(own, 'acme')
    const admin = new pg.Client(own.admin.dsn)
    await admin.connect()
    await admin.query(`revoke "${database}_a", "${database}_owner" from current_user`)
    await admin.query(`create role "${database}_people" login password 'pw'`)
    await admin.end()
    const elsewhere = randomName('elsewhere')
    await own.server.createDatabase(elsewhere)
    await using held = await holdLogins(own, elsewhere)
    const stranger = own.server.connect(elsewhere)
    await isLetIn(own, elsewhere)
    await purgeNow(own, 'acme')
    expect(await namedAfter(own, database)).toEqual([])
    await held.letGo()
    await (await stranger).end()
    await own.server.dropDatabase(elsewhere)
  })
})

describe('a purge whose process ended', () => {
  const deaths: [string, (parts: LifecycleParts) => LifecycleParts][] = [
    ...PURGE_STEPS.map(({ name }): (typeof deaths)[number] => [
      `after-${name}`,
      (parts) => dyingAfter(parts, name),
    ]),
    ['in-roles', (parts) => dyingAt(parts, 'dies-before', 'tenant.purge.roles')],
    ['before-the-record', (parts) => dyingAt(parts, 'dies-before', 'tenant.purge.done')],
  ]

  const databases: string[] = []

  it.each(deaths)('%s is gone on with, and leaves nothing', async (id, dying) => {
    const database = await deletedTenant(ground, id)
    databases.push(database)
    const killed = purgeTenant(dying(ground.parts), id, { confirm: id, now: true }, 'test')
    await expect(killed).rejects.toThrow(GONE)
    expect((await ground.tenant(id)).status).toBe('deleting')
    await expect(undeleteTenant(ground.parts, id, 'test')).rejects.toThrow(/cannot be had back/)
    const again = provisionTenant(ground.parts, { id }, 'test')
    await expect(again).rejects.toMatchObject({ code: 'already_exists' })
    const operation = await runningOf(ground.registry, id)
    await (await resumeOperation(successor(ground.parts), operation, 'test')).result
    expect(await namedAfter(ground, database)).toEqual([])
    expect(await entriesOf(ground.registry, id)).toEqual(ONLY_THE_PURGE)
  })

  it('leaves nothing that the doctor would find', async () => {
    expect(databases).toHaveLength(deaths.length)
    const { findings } = await diagnose(ground.parts, { server: 'main' })
    const names = [...databases, ...deaths.map(([id]) => id)]
    expect(findings.filter((one) => names.some((name) => JSON.stringify(one).includes(name)))).toEqual([])
  })

  it('with the last commit is over: nobody was told, and the name is free', async () => {
    const database = await deletedTenant(ground, 'last')
    const dying = dyingAt(ground.parts, 'dies-after', 'tenant.purge.done')
    await expect(purgeTenant(dying, 'last', { confirm: 'last', now: true }, 'test')).rejects.toThrow(GONE)
    const { entries } = await ground.registry.list('operation', undefined, { tenant: 'last' })
    const id = entries[0]?.id ?? ''
    expect(await showOperation(ground.registry, id)).toMatchObject({ kind: 'purge', state: 'done' })
    await expect(resumeOperation(successor(ground.parts), id, 'test')).rejects.toThrow(/is done/)
    expect(await namedAfter(ground, database)).toEqual([])
    expect((await provisionTenant(ground.parts, { id: 'last' }, 'test')).created).toBe(true)
  })
})

describe('purging', () => {
  it('never touches the database or the role of a registered tenant, and says so', async () => {
    const [name, role] = [randomName('r'), randomName('role')]
    const dsnOf = await ground.foreign(role, [name])
    await registerTenant(ground.parts, { id: 'theirs', route: { dsn: dsnOf(name) } }, 'test')
    await deleteTenant(ground.parts, 'theirs', { confirm: 'theirs' }, 'test')
    const theirs = await ground.connect('theirs')
    await theirs.query('create table kept as select 1 as one')
    const { receipt } = await purgeNow(ground, 'theirs')
    expect(receipt.filter(({ outcome }) => outcome === 'left').map(({ what }) => what)).toEqual([
      'sessions',
      'database',
      'roles',
    ])
    expect(receipt.find(({ what }) => what === 'database')?.detail).toContain(JSON.stringify(name))
    expect((await theirs.query('select one from kept')).rows).toEqual([{ one: 1 }])
    await theirs.end()
    expect(await entriesOf(ground.registry, 'theirs')).toEqual(ONLY_THE_PURGE)
    const again = await registerTenant(ground.parts, { id: 'theirs', route: { dsn: dsnOf(name) } }, 'test')
    expect(again.tenant?.status).toBe('active')
  })

  it('is refused for who is not deleted, without the name, and before the grace ends unless now is said', async () => {
    await provisionTenant(ground.parts, { id: 'refused' }, 'test')
    const purge = (input: object) => purgeTenant(ground.parts, 'refused', input, 'test')
    const refused = { code: 'precondition_failed' }
    await expect(purge({ confirm: 'refused', now: true })).rejects.toMatchObject(refused)
    await deleteTenant(ground.parts, 'refused', { confirm: 'refused' }, 'test')
    for (const confirm of [undefined, '', 'globex']) {
      await expect(purge({ confirm, now: true })).rejects.toMatchObject({ code: 'invalid_request' })
    }
    await expect(purge({ confirm: 'refused' })).rejects.toThrow(/may be undeleted until 20.*--now/)
    await expect(purgeTenant(ground.parts, 'nobody', { confirm: 'nobody' }, 'test')).rejects.toMatchObject({
      code: 'tenant_unknown',
    })
    const serving = { ...ground.parts, adminSealer: undefined }
    const without = purgeTenant(serving, 'refused', { confirm: 'refused', now: true }, 'test')
    await expect(without).rejects.toThrow(/ADMIN_KEY/)
    expect(await undeleteTenant(ground.parts, 'refused', 'test')).toMatchObject({ status: 'active' })
  })

  it('stops before the drop for a session that is not ours to end, and goes on when that has gone', async () => {
    const database = await deletedTenant(ground, 'parked')
    const parked = new pg.Client(ground.server.dsn(database))
    await parked.connect()
    await expect(purgeNow(ground, 'parked')).rejects.toThrow(/1 session\(s\) of roles that are not ours/)
    expect(await ground.tenant('parked')).toMatchObject({
      status: 'deleting',
      statusReason: expect.stringMatching(/not ours/),
    })
    await parked.end()
    await purgeNow(ground, 'parked')
    expect(await namedAfter(ground, database)).toEqual([])
  })

  it('ends sessions that are there all the same, of its roles and of the admin', async () => {
    await provisionTenant(ground.parts, { id: 'late' }, 'test')
    await deleteTenant(ground.parts, 'late', { confirm: 'late' }, 'test')
    const { database, role } = (await ground.tenant('late')).route
    await ground.server.execute(`alter role "${role}" login`)
    await ground.connect('late')
    const admin = new pg.Client(Object.assign(new URL(ground.admin.dsn), { pathname: `/${database}` }).href)
    admin.on('error', () => undefined)
    await admin.connect()
    const { receipt } = await purgeNow(ground, 'late')
    expect(receipt[0]).toMatchObject({ what: 'sessions', outcome: 'gone', count: 2 })
    await admin.end()
  })

  it('never closes or drops a database that bears another stamp under a name that somebody else chose', async () => {
    await provisionTenant(ground.parts, { id: 'mine' }, 'test')
    await provisionTenant(ground.parts, { id: 'globex' }, 'test')
    const { database: another } = (await ground.tenant('globex')).route
    const { database: stem } = (await ground.tenant('mine')).route
    const rename = (from: string, to: string) =>
      ground.server.execute(`alter database "${from}" rename to "${to}"`)
    const isOpen = (name: string) =>
      ground.server.query('select 1 from pg_database where datname = $1 and datallowconn', [name])
    // As that of an adopted tenant is; another comes into its place.
    const [name, aside] = [randomName('chosen'), randomName('aside')]
    await rename(another, name)
    await renamed(ground, 'mine', name)
    await deleteTenant(ground.parts, 'mine', { confirm: 'mine' }, 'test')
    const refusal = /is not that of tenant mine.*it is not dropped/
    await expect(purgeNow(ground, 'mine')).rejects.toThrow(refusal)
    expect(await isOpen(name)).toHaveLength(1)
    await rename(name, another)
    await rename(stem, name)
    const killed = dyingAt(ground.parts, 'dies-after', 'tenant.purge.step')
    await expect(purgeTenant(killed, 'mine', { confirm: 'mine', now: true }, 'test')).rejects.toThrow(GONE)
    await rename(name, aside)
    await rename(another, name)
    await expect(purgeTenant(successor(ground.parts), 'mine', { confirm: 'mine' }, 'test')).rejects.toThrow(
      refusal,
    )
    expect(await isOpen(name)).toHaveLength(1)
    await rename(name, another)
    await rename(aside, name)
    await purgeNow(ground, 'mine')
    expect(await namedAfter(ground, name)).toEqual([])
    expect(await namedAfter(ground, stem)).toEqual([])
  })

  it('removes a key, too, that somebody who had begun before the deletion made late', async () => {
    await deletedTenant(ground, 'slow')
    const { generation } = await ground.tenant('slow')
    const { id, hash } = makeKey()
    const record = {
      id,
      scope: { kind: 'tenant' as const, tenant: parseTenantId('slow'), generation },
      secretHash: hash,
      readOnly: false,
      name: 'late',
      createdAt: new Date().toISOString(),
      expiresAt: null,
      revokedAt: null,
    }
    const onStep = async ({ name }: { name: string }) => {
      if (name !== 'operations') return
      const put = { kind: 'key' as const, id, record }
      await ground.registry.commit({ puts: [put], audit: audit(id) }, [{ kind: 'key', id, revision: 0 }])
    }
    const parts = { ...ground.parts, onStep }
    const { receipt } = await purgeTenant(parts, 'slow', { confirm: 'slow', now: true }, 'test')
    expect(receipt.find(({ what }) => what === 'keys')?.count).toBe(3)
    expect(await entriesOf(ground.registry, 'slow')).toEqual(ONLY_THE_PURGE)
  })

  it('gives its name away with nothing of it: another generation, database and keys', async () => {
    const database = await deletedTenant(ground, 'anew')
    const before = await ground.tenant('anew')
    await purgeNow(ground, 'anew')
    const hostnames = ['anew.example.test']
    const { tenant } = await provisionTenant(ground.parts, { id: 'anew', hostnames }, 'test')
    expect(tenant.generation).toBeGreaterThan(before.generation)
    expect(tenant.database).not.toBe(database)
    const client = await ground.connect('anew')
    expect((await client.query("select to_regclass('projects') as found")).rows).toEqual([{ found: null }])
    await client.end()
    expect((await ground.registry.list('key', undefined, { tenant: 'anew' })).entries).toEqual([])
  })
})

/** Puts another database on a tenant's record. */
async function renamed(ground: LifecycleGround, id: string, database: string): Promise<void> {
  const entry = await ground.registry.find('tenant', id)
  if (!entry) throw new Error(`no tenant ${id}`)
  const record = { ...entry.record, route: { ...entry.record.route, database } }
  await ground.registry.commit({ puts: [{ kind: 'tenant', id, record }], audit: audit(id) }, [entry])
}

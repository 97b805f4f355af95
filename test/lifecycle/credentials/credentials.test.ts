import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { listCredentials, revokeCredential } from '../../../src/lifecycle/credentials/credentials.ts'
import { type IssueCredential, issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { deleteTenant } from '../../../src/lifecycle/delete/delete-tenant.ts'
import { diagnose } from '../../../src/lifecycle/doctor/doctor.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { LifecycleGround, randomName, sqlstateOf } from '../ground.ts'

const SCHEMA = "create table projects (id serial, name text); insert into projects (name) values ('one')"

/** A ground for all tests of a `describe`; each makes a tenant of its own. */
function groundFor(version: 15 | 18): () => LifecycleGround {
  let ground: LifecycleGround
  beforeAll(async () => {
    ground = await LifecycleGround.withServer(version)
  })
  afterAll(() => ground[Symbol.asyncDispose]())
  return () => ground
}

/** Roles of routers have one iteration here. */
async function provision(ground: LifecycleGround, id: string) {
  const parts = { ...ground.parts, scramIterations: 1 }
  await provisionTenant(parts, { id, schema: SCHEMA }, 'test')
  const { database, role: slot } = (await ground.tenant(id)).route
  const issue = async (input: IssueCredential = {}) => {
    const { dsn, ...issued } = await issueCredential(parts, id, input, 'carol')
    return { ...issued, dsn: dsn.reveal(), role: issued.credential.role }
  }
  return { ground, id, database, slot, issue }
}

type Provisioned = Awaited<ReturnType<typeof provision>>

async function enter(dsn: string): Promise<pg.Client> {
  const client = new pg.Client(dsn.replace(/\?sslmode=disable$/, ''))
  client.on('error', () => undefined) // ended by the server, where that is what the test is about
  await client.connect()
  return client
}

async function statesOf(client: pg.Client, statements: readonly string[]): Promise<(string | undefined)[]> {
  const states: (string | undefined)[] = []
  for (const text of statements) states.push(await sqlstateOf(client.query(text)))
  return states
}

async function migrate({ ground, database }: Provisioned): Promise<void> {
  await ground.server.execute(
    `set role "${database}_owner"; create table public.later (id serial, name text)`,
    database,
  )
}

const DENIED = '42501'

describe.each([15, 18] as const)('a credential on Postgres %i', (version) => {
  const theGround = groundFor(version)
  let acme: Provisioned
  /** Connection strings that were made before the owner made another table. */
  const made = { full: '', reading: '' }
  beforeAll(async () => {
    acme = await provision(theGround(), 'acme')
    made.full = (await acme.issue()).dsn
    made.reading = (await acme.issue({ readOnly: true })).dsn
    await migrate(acme)
  })

  it('has the rights of the runtime, on later tables too, and no way to a login of routers', async () => {
    const { slot } = acme
    const client = await enter(made.full)
    const may = [
      "insert into projects (name) values ('two')",
      "insert into later (name) values ('x')",
      'delete from later',
    ]
    const mayNot = [
      'create table public.mine (id int)',
      'create temp table mine (id int)',
      'drop table projects',
      'update tenantry.stamp set generation = 0',
      `set role "${slot}"`,
      `alter role "${slot}" password 'mine'`,
      "alter role current_user valid until 'infinity'",
    ]
    expect(await statesOf(client, may)).toEqual(may.map(() => undefined))
    expect(await statesOf(client, mayNot)).toEqual(mayNot.map(() => DENIED))
    await client.end()
  })

  it('reads and writes nothing where it is read-only', async () => {
    const client = await enter(made.reading)
    const reads = ['select * from projects', 'select * from later', 'select last_value from projects_id_seq']
    const writes = [
      "insert into projects (name) values ('two')",
      'update later set id = 1',
      'delete from projects',
      'truncate later',
      "select nextval('projects_id_seq')",
      "select setval('projects_id_seq', 1)",
      "with made as (insert into projects (name) values ('two') returning 1) select * from made",
      'merge into projects p using later l on p.id = l.id when matched then delete',
      'select * from projects for update',
      'select * from projects for share',
      'do $$ begin lock table projects in exclusive mode; end $$',
      "copy projects from program 'true'",
      'create table mine (id int)',
      'create table mine as select 1 as id',
      'create temp table mine (id int)',
      'select 1 as id into mine',
      'create view mine as select 1 as id',
      'create materialized view mine as select 1 as id',
      'alter table projects add column more text',
      'drop table projects',
      'create index on projects (name)',
      'create trigger t before insert on projects for each row execute function suppress_redundant_updates_trigger()',
      "comment on table projects is 'mine'",
      'refresh materialized view mine',
    ]
    expect(await statesOf(client, reads)).toEqual(reads.map(() => undefined))
    // 42P01: what it was to refresh could not be made; 25006: a lock of rows is a write.
    const notDenied = async () => {
      const states = await statesOf(client, writes)
      return writes.filter((_, at) => ![DENIED, '42P01'].includes(states[at] ?? 'it ran'))
    }
    expect(await notDenied()).toEqual([])
    // Whatever the session says of its transactions: the role has no rights.
    await client.query(
      'begin read only; set transaction read write; commit; set default_transaction_read_only to off',
    )
    expect(await notDenied()).toEqual([])
    await client.end()
  })

  // Last: another one gives those before it what was made since.
  it('is a login that drivers take, with 4096 iterations, three connections and an end', async () => {
    const { ground, database, issue } = acme
    const { role, dsn, credential } = await issue({ validForMs: 3_600_000 })
    expect(role).toMatch(new RegExp(`^${database}_h\\d$`))
    const [kept] = await ground.server.query<{ verifier: string; connections: number; until: Date }>(
      'select rolpassword as verifier, rolconnlimit as connections, rolvaliduntil as until from pg_authid where rolname = $1',
      [role],
    )
    expect(kept?.verifier).toMatch(/^SCRAM-SHA-256\$4096:/)
    expect(kept?.connections).toBe(3)
    expect(kept?.until.toISOString()).toBe(credential.validUntil)
    const client = await enter(dsn)
    expect(
      (await client.query("select current_user::text as role, name from projects where name = 'one'")).rows,
    ).toEqual([{ role, name: 'one' }])
    await client.end()
    const { findings } = await diagnose(ground.parts, { server: 'main' })
    expect(JSON.stringify(findings)).not.toContain(`${database}_h`)
  })
})

describe('credentials of a tenant', () => {
  const theGround = groundFor(18)
  it('are listed without passwords, and revoked with their sessions and whatever they have set for themselves', async () => {
    const { ground, issue } = await provision(theGround(), 'umbrella')
    const first = await issue()
    const second = await issue({ readOnly: true })
    const views = await listCredentials(ground.registry, 'umbrella')
    expect(views).toMatchObject([
      { role: first.role, readOnly: false, issuedBy: 'carol', expired: false },
      { role: second.role, readOnly: true, issuedBy: 'carol', expired: false },
    ])
    const secret = new URL(first.dsn).password
    expect(JSON.stringify([views, await ground.tenant('umbrella')])).not.toContain(secret)
    const client = await enter(first.dsn)
    await client.query('alter default privileges grant select on tables to public')
    expect(await revokeCredential(ground.parts, 'umbrella', first.role, 'test')).toEqual({
      role: first.role,
      sessionsEnded: 1,
    })
    expect(await sqlstateOf(client.query('select 1'))).toBeDefined()
    expect(await sqlstateOf(enter(first.dsn))).toBe('28P01')
    expect((await listCredentials(ground.registry, 'umbrella')).map(({ role }) => role)).toEqual([
      second.role,
    ])
    await (await enter(second.dsn)).end()
    const again = revokeCredential(ground.parts, 'umbrella', first.role, 'test')
    await expect(again).rejects.toMatchObject({ code: 'not_found' })
    expect((await issue()).role).toMatch(/_h3$/)
  })

  it('are refused by Postgres when their time is over, and dropped when the next one is made', async () => {
    const { ground, issue } = await provision(theGround(), 'hooli')
    const { dsn, role } = await issue({ validForMs: 1_000 })
    await vi.waitFor(
      async () => expect(await sqlstateOf(enter(dsn).then((client) => client.end()))).toBe('28P01'),
      5_000,
    )
    expect(await listCredentials(ground.registry, 'hooli')).toMatchObject([{ role, expired: true }])
    const next = await issue()
    expect(await listCredentials(ground.registry, 'hooli')).toMatchObject([
      { role: next.role, expired: false },
    ])
    expect(await sqlstateOf(enter(dsn))).toBe('28P01')
  })

  it('that owns data is shut, and kept with it', async () => {
    const { ground, database, issue } = await provision(theGround(), 'soylent')
    const { dsn, role } = await issue()
    const client = await enter(dsn)
    await client.query('select lo_create(4711)')
    await client.end()
    await expect(revokeCredential(ground.parts, 'soylent', role, 'test')).rejects.toThrow(
      /owns 1 large objects/,
    )
    expect(await sqlstateOf(enter(dsn))).toBe('28P01')
    expect(await listCredentials(ground.registry, 'soylent')).toMatchObject([{ role }])
    await ground.server.execute('select lo_unlink(4711)', database)
    await revokeCredential(ground.parts, 'soylent', role, 'test')
    expect(await listCredentials(ground.registry, 'soylent')).toEqual([])
  })

  it('lose what the runtime has lost', async () => {
    const { ground, database, slot, issue } = await provision(theGround(), 'stark')
    const first = await issue()
    await ground.server.execute(`revoke delete on projects from "${slot}"`, database)
    await issue()
    const client = await enter(first.dsn)
    expect(await statesOf(client, ['delete from projects', 'select * from projects'])).toEqual([
      DENIED,
      undefined,
    ])
    await client.end()
  })

  it('are never a role that somebody else has made', async () => {
    const { ground, database, issue } = await provision(theGround(), 'wayne')
    const role = `${database}_h1`
    await ground.server.execute(`create role "${role}" login createdb`)
    await expect(issue()).rejects.toThrow(/was not made for this/)
    expect(await ground.server.query('select from pg_roles where rolname = $1', [role])).toHaveLength(1)
    expect(await listCredentials(ground.registry, 'wayne')).toEqual([])
  })

  it('are made for no tenant that is registered or deleted', async () => {
    const { ground, issue } = await provision(theGround(), 'tyrell')
    const [role, database] = [randomName('role'), randomName('r')]
    const dsn = (await ground.foreign(role, [database]))(database)
    await registerTenant(ground.parts, { id: 'globex', route: { dsn } }, 'test')
    const registered = issueCredential(ground.parts, 'globex', {}, 'test')
    await expect(registered).rejects.toThrow(/its owner's to make/)
    await deleteTenant(ground.parts, 'tyrell', { confirm: 'tyrell' }, 'test')
    await expect(issue()).rejects.toThrow(/is deleted/)
  })
})

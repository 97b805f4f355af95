import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../../src/lifecycle/provision/spare/make-spares.ts'
import { startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { dropTemplate } from '../../../src/lifecycle/provision/template/drop-template.ts'
import { dyingAfter, runningOf, successor } from '../dying.ts'
import { LifecycleGround, sqlstateOf } from '../ground.ts'
import { afterCommit, beforeCommit, firstOf } from '../meanwhile.ts'

const SCHEMA = `
  create schema app;
  create type app.mood as enum ('good', 'bad');
  create table app.projects (id int generated always as identity primary key, name citext unique, mood app.mood);
  create table notes (id serial primary key, project int references app.projects, body text);
  create view app.names as select name from app.projects;
  create function app.hello() returns text language sql as 'select ''hello''';
  revoke execute on function app.hello() from public;
  insert into app.projects (name, mood) values ('one', 'good');`

const parts = (ground: LifecycleGround) => ({ ...ground.parts, scramIterations: 1 })

async function makeTemplate(ground: LifecycleGround, name = 'v42', schema = SCHEMA) {
  const wanted = { name, schema, extensions: ['citext' as const] }
  return (await startTemplate(ground.parts, wanted, 'test')).result
}

describe.each([15, 18] as const)('a template on Postgres %i', (version) => {
  it('is what tenants are copied from: all of it is their own, with the rights of what they make themselves', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await makeTemplate(ground)
    const ids = ['acme', 'globex']
    await Promise.all(ids.map((id) => provisionTenant(parts(ground), { id, template: 'v42' }, 'test')))
    for (const id of ids) {
      const { schemaVersion, route } = await ground.tenant(id)
      expect(schemaVersion).toBe('v42')
      const strangers = await ground.server.query(
        `select distinct pg_get_userbyid(d.refobjid) as owner from pg_shdepend d
          where d.dbid = (select oid from pg_database where datname = current_database())
            and d.deptype = 'o' and pg_get_userbyid(d.refobjid) <> $1`,
        [`${route.database}_owner`],
        route.database,
      )
      expect(strangers).toEqual([])
      const client = await ground.connect(id)
      await client.query(`insert into app.projects (name, mood) values ('${id}', 'bad')`)
      await client.query("insert into notes (project, body) values (2, 'x')")
      const { rows } = await client.query(
        'select name::text, app.hello() as said from app.projects order by id desc',
      )
      expect(rows).toEqual([id, 'one'].map((name) => ({ name, said: 'hello' })))
      expect(await sqlstateOf(client.query('alter table app.projects add column more text'))).toBe('42501')
      await client.end()
    }
  })
})

describe('a template', () => {
  it('lets nobody in, does not change, and is made once', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const made = await makeTemplate(ground)
    expect(made).toMatchObject({ template: 'v42', server: 'main', created: true })
    expect(await makeTemplate(ground)).toEqual({ ...made, created: false })
    await expect(makeTemplate(ground, 'v42', 'create table other (id int)')).rejects.toThrow(
      /v42 is there with another schema, and does not change/,
    )
    for (const dsn of [ground.admin.dsn, ground.server.dsn()]) {
      const url = new URL(dsn)
      url.pathname = `/${made.database}`
      const client = new pg.Client({ connectionString: url.href })
      expect(await sqlstateOf(client.connect())).toBe('55000')
    }
  })

  it('with a fault in its text is not there, and can be made again by that name from a right one', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await expect(makeTemplate(ground, 'v1', 'create table broken (x nonsense)')).rejects.toThrow(/42704/)
    const create = () => provisionTenant(parts(ground), { id: 'acme', template: 'v1' }, 'test')
    await expect(create()).rejects.toThrow(/has no template v1/)
    expect(await makeTemplate(ground, 'v1')).toMatchObject({ created: true })
    expect((await create()).tenant.schemaVersion).toBe('v1')
  })

  it('that is being dropped is no tenant’s to begin from, and one that a tenant is begun from is not dropped', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await makeTemplate(ground, 'v1', 'create table notes (id int)')
    const create = (id: string) => provisionTenant(parts(ground), { id, template: 'v1' }, 'test')
    const drop = (own = ground.parts) => dropTemplate(own, { name: 'v1' }, 'test')
    // It begins before that is on record: both are told of, and neither is in the way of the other for good.
    const begun = beforeCommit(ground.parts, firstOf('template.drop'), async () => {
      await expect(
        provisionTenant(dyingAfter(parts(ground), 'database'), { id: 'acme', template: 'v1' }, 'test'),
      ).rejects.toThrow('gone')
    })
    await expect(drop(begun)).rejects.toThrow(/Tenant acme is half made/)
    const left = await runningOf(ground.registry, 'acme')
    await (await resumeOperation(successor(parts(ground)), left, 'test')).result
    const late = afterCommit(ground.parts, firstOf('template.drop'), async () => {
      await expect(create('globex')).rejects.toMatchObject({ code: 'precondition_failed' })
      await expect(makeTemplate(ground, 'v1', 'select 1')).rejects.toThrow(/half dropped/)
    })
    expect(await drop(late)).toMatchObject({ template: 'v1' })
    expect(await ground.registry.find('tenant', 'globex')).toBeUndefined()
  })

  it('is dropped where no spare is copied from it, and its tenants stay', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const { database } = await makeTemplate(ground)
    await provisionTenant(parts(ground), { id: 'acme', template: 'v42' }, 'test')
    await (await startSpares(ground.parts, 'main', { count: 1, template: 'v42' }, 'test')).result
    const drop = () => dropTemplate(ground.parts, { name: 'v42' }, 'test')
    await expect(drop()).rejects.toThrow('tenantry server spares main --count 0')
    await (await startSpares(ground.parts, 'main', { count: 0 }, 'test')).result
    expect(await drop()).toEqual({ template: 'v42', server: 'main', database })
    const left = await ground.server.query(
      'select datname as name from pg_database where datname = $1 union all select rolname from pg_roles where starts_with(rolname, $1)',
      [database],
    )
    expect(left).toEqual([])
    await expect(drop()).rejects.toMatchObject({ code: 'not_found' })
    const client = await ground.connect('acme')
    expect((await client.query('select name::text from app.projects')).rows).toEqual([{ name: 'one' }])
    await client.end()
  })
})

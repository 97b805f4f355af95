import pg from 'pg'
import { diagnose } from '../../../src/lifecycle/doctor/doctor.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { LifecycleGround, randomName } from '../ground.ts'

const q = pg.escapeIdentifier

/** What is in every database of these tests, made by whoever owns it. */
const CONTENT = `
  create table notes (id serial primary key, body text);
  insert into notes (body) values ('old');
  create schema app;
  create type app.mood as enum ('good', 'bad');
  create table app.moods (id int generated always as identity, mood app.mood);
  create view app.latest as select max(id) as id from notes;
  create function app.twice(n int) returns int language sql as 'select 2 * n';
  revoke execute on function app.twice from public`

/** Databases, schemas, what is in them, roles and what they have been granted, as text. */
const CATALOG = `
  select line from (
    select concat_ws('|', 'database', datname, datdba::regrole, coalesce(datacl, acldefault('d', datdba)), datallowconn, datconnlimit) as line
      from pg_database where datname = current_database()
    union all select concat_ws('|', 'role', rolname, rolcanlogin, rolconnlimit, rolconfig) from pg_roles where rolname = any($1)
    union all select concat_ws('|', 'setting', setrole::regrole, setconfig) from pg_db_role_setting
      where setdatabase = (select oid from pg_database where datname = current_database())
    union all select concat_ws('|', 'member', roleid::regrole, member::regrole) from pg_auth_members
      where roleid::regrole::text = any($1) or member::regrole::text = any($1)
    union all select concat_ws('|', 'schema', nspname, nspowner::regrole, coalesce(nspacl, acldefault('n', nspowner)))
      from pg_namespace where nspname !~ '^pg_(temp|toast)'
    union all select concat_ws('|', 'class', oid::regclass, relowner::regrole,
                               coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)))
      from pg_class where oid >= 16384 and relkind in ('r', 'p', 'v', 'm', 'S')
    union all select concat_ws('|', 'column', attrelid::regclass, attname, attacl) from pg_attribute where attacl is not null
    union all select concat_ws('|', 'routine', oid::regprocedure, proowner::regrole, coalesce(proacl, acldefault('f', proowner)))
      from pg_proc where oid >= 16384
    union all select concat_ws('|', 'type', oid::regtype, typowner::regrole, coalesce(typacl, acldefault('T', typowner)))
      from pg_type where oid >= 16384
    union all select concat_ws('|', 'default', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl) from pg_default_acl
  ) lines order by line collate "C"`

export interface Registered {
  readonly id: string
  readonly database: string
  readonly role: string
  readonly owner: string
}

/** A registered tenant: its application's role owns its database, or another one does. */
export interface Shape {
  readonly id?: string
  readonly database?: string
  readonly owner?: 'role' | 'another'
  /** Without it the admin is no member of the owner. */
  readonly granted?: boolean
}

/** Registered tenants on a server with an admin; whatever adoption makes is dropped at the end. */
export class AdoptGround implements AsyncDisposable {
  readonly ground: LifecycleGround
  readonly #databases: string[] = []
  readonly #roles: string[] = []

  private constructor(ground: LifecycleGround) {
    this.ground = ground
  }

  static async start(version: 15 | 18): Promise<AdoptGround> {
    return new AdoptGround(await LifecycleGround.withServer(version))
  }

  /** With logins that cost little. */
  get parts(): LifecycleParts {
    return { ...this.ground.parts, scramIterations: 1 }
  }

  async register(shape: Shape = {}): Promise<Registered> {
    const { id = 'acme', owner = 'role', granted = true, database = randomName('Old-Db') } = shape
    const { server } = this.ground
    const role = await this.role('app')
    const owning = owner === 'role' ? role : await this.role('owner')
    await server.createDatabase(database, { owner: owning })
    this.#databases.push(database)
    await server.execute(`set role ${q(owning)}; ${CONTENT}`, database)
    if (owning !== role) await server.execute(`set role ${q(owning)}; ${limitedRights(role)}`, database)
    if (granted) await this.grantOwner(owning)
    await registerTenant(this.parts, { id, route: { dsn: server.dsn(database, role, 'pw') } }, 'test')
    return { id, database, role, owner: owning }
  }

  /** A login role of somebody else's. */
  async role(stem: string): Promise<string> {
    const role = randomName(stem)
    await this.ground.server.createRole(role, 'pw')
    this.#roles.push(role)
    return role
  }

  grantOwner(owner: string): Promise<void> {
    return this.ground.server.execute(`grant ${q(owner)} to ${q(this.ground.admin.role)}`)
  }

  async login(database: string, role: string): Promise<pg.Client> {
    const { host, port } = this.ground.server
    const client = new pg.Client({ host, port, database, user: role, password: 'pw' })
    await client.connect()
    return client
  }

  /** In the tenant's database as the login that its record has. */
  async query(id: string, text: string): Promise<Record<string, unknown>[]> {
    const client = await this.ground.connect(id)
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }

  /** Roles of our making. */
  async made(): Promise<string[]> {
    const rows = await this.ground.server.query<{ name: string }>(
      `select r.rolname as name from pg_roles r where r.rolname ~ '^t_[a-z2-7]{26}_'
          and exists (select from pg_auth_members m where m.roleid = r.oid and m.member = $1::regrole) order by 1`,
      [q(this.ground.admin.role)],
    )
    return rows.map(({ name }) => name)
  }

  /** Everything that adoption could have changed. */
  async catalog({ database, role, owner }: Registered): Promise<string[]> {
    const roles = [role, owner, this.ground.admin.role, ...(await this.made())]
    const rows = await this.ground.server.query<{ line: string }>(CATALOG, [roles], database)
    return rows.map(({ line }) => line)
  }

  /** What the doctor says of the tenant, its roles and its operations. */
  async told(id: string): Promise<string[]> {
    const roles = await this.made()
    const { findings } = await diagnose(this.parts, { server: 'main' })
    const ours = findings.filter(
      (one) =>
        one.subject === `tenant ${id}` ||
        roles.some((role) => JSON.stringify(one).includes(role.slice(0, 28))),
    )
    return ours.map(({ severity, what }) => `${severity}: ${what}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { server } = this.ground
    for (const { record } of (await this.ground.registry.list('tenant')).entries)
      if (record.origin === 'provisioned') this.#databases.push(record.route.database)
    for (const database of this.#databases) await server.dropDatabase(database)
    for (const role of (await this.made()).toReversed()) await server.dropRole(role)
    for (const role of this.#roles) await server.dropRole(role)
    await this.ground[Symbol.asyncDispose]()
  }
}

/** What an application gets that owns nothing. */
function limitedRights(role: string): string {
  const name = q(role)
  return `
    grant select, insert, update (body) on notes to ${name};
    grant usage on sequence notes_id_seq to ${name};
    grant usage on schema app to ${name};
    grant select on app.moods to ${name};
    grant execute on function app.twice to ${name};
    alter default privileges in schema app grant select on tables to ${name}`
}

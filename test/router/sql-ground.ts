import { randomBytes } from 'node:crypto'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { openConnection } from '../../src/connection/open.ts'
import type { ConnectionSource, HeldConnection } from '../../src/router/sql/connection-source.ts'
import { ExclusiveSource } from '../../src/router/sql/exclusive-source.ts'
import { createSql, type SqlOptions } from '../../src/router/sql/sql-facade.ts'
import { Secret } from '../../src/secret.ts'
import { type PostgresServer, sharedPostgres } from '../support/postgres.ts'

/**
 * A database of its own and a few real connections to it, lent one statement, transaction or reservation at
 * a time, and cleaned before the next: the smallest router there can be.
 */
export class Ground implements ConnectionSource, AsyncDisposable {
  readonly server: PostgresServer
  readonly database: string
  readonly connections: DriverConnection[] = []
  readonly #idle: DriverConnection[] = []
  /** Connections on their way back. */
  readonly #returning = new Set<Promise<void>>()
  readonly #waiting: ((connection: DriverConnection) => void)[] = []

  constructor(server: PostgresServer, database: string) {
    this.server = server
    this.database = database
  }

  static async open(connections: number, schema?: string): Promise<Ground> {
    const server = sharedPostgres()
    const ground = new Ground(server, `sql_${randomBytes(6).toString('hex')}`)
    await server.createDatabase(ground.database)
    if (schema) await server.execute(schema, ground.database)
    for (let i = 0; i < connections; i++) await ground.connect()
    return ground
  }

  async connect(): Promise<DriverConnection> {
    const { host, port, superuser } = this.server
    const connection = await openConnection(
      {
        host,
        port,
        database: this.database,
        user: superuser.user,
        password: new Secret(superuser.password),
        tls: { mode: 'disable' },
      },
      { connectTimeoutMs: 5_000 },
    )
    this.connections.push(connection)
    this.#lend(connection)
    return connection
  }

  get idle(): number {
    return this.#idle.length
  }

  get waiting(): number {
    return this.#waiting.length
  }

  sql(options?: SqlOptions) {
    return createSql(this, options)
  }

  /** A handle on one connection for as long as it likes, as a lease has it. */
  async lease() {
    const held = await this.hold()
    const source = new ExclusiveSource(held.connection)
    const release = async () => {
      await source.close()
      held.release()
    }
    return { sql: createSql(source), connection: held.connection, release }
  }

  async hold(signal?: AbortSignal): Promise<HeldConnection> {
    const connection = this.#idle.pop() ?? (await this.#turn(signal))
    let isOut = true
    return {
      connection,
      isRevoked: false,
      release: () => {
        if (!isOut) return
        isOut = false
        const returning = this.#takeBack(connection).finally(() => this.#returning.delete(returning))
        this.#returning.add(returning)
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#returning)
    await Promise.all(this.connections.map((connection) => connection.close()))
    await this.server.dropDatabase(this.database)
  }

  #turn(signal: AbortSignal | undefined): Promise<DriverConnection> {
    return new Promise((resolve, reject) => {
      const take = (connection: DriverConnection) => {
        signal?.removeEventListener('abort', leave)
        resolve(connection)
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1)
        reject(new Error('gave up'))
      }
      this.#waiting.push(take)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  async #takeBack(connection: DriverConnection): Promise<void> {
    if (!connection.isOpen) return
    if (connection.residue !== 'none' || connection.transaction !== 'idle')
      await connection.clean('application')
    this.#lend(connection)
  }

  #lend(connection: DriverConnection): void {
    const waiter = this.#waiting.shift()
    if (waiter) waiter(connection)
    else this.#idle.push(connection)
  }
}

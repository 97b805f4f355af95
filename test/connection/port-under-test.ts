import { expect, vi } from 'vitest'
import type { Connection, ConnectionTarget, StatementResult } from '../../src/connection/connection.ts'
import type { Connect } from '../../src/router/route-opener.ts'
import { type Ground, startGround } from './ground.ts'

/** One driver behind the port, a database for it, and the connections that tests open to it. */
export class PortUnderTest implements AsyncDisposable {
  readonly connect: Connect
  readonly #opened: Connection[] = []
  #ground: Ground | undefined
  #shared: Connection | undefined

  constructor(connect: Connect) {
    this.connect = connect
  }

  async start(): Promise<void> {
    this.#ground = await startGround()
    this.#shared = await this.open()
  }

  get ground(): Ground {
    if (!this.#ground) throw new Error('the tests have not begun')
    return this.#ground
  }

  /** One connection that all tests use which leave it usable. */
  get shared(): Connection {
    if (!this.#shared) throw new Error('the tests have not begun')
    return this.#shared
  }

  async open(changes: Partial<ConnectionTarget> = {}): Promise<Connection> {
    const connection = await this.connect({ ...this.ground.target, ...changes }, { connectTimeoutMs: 5_000 })
    this.#opened.push(connection)
    return connection
  }

  run(text: string, params: readonly unknown[] = []): Promise<StatementResult> {
    return this.shared.run({ text, params })
  }

  /** Resolves when the server says that the connection's statement sleeps. */
  isAsleep(connection: Connection): Promise<void> {
    const text = "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'"
    const asked = async () => expect(await this.ground.server.query(text, [connection.pid])).toHaveLength(1)
    return vi.waitFor(asked, { timeout: 5_000, interval: 5 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#opened) connection.destroy(new Error('the tests are over'))
    await Promise.all(this.#opened.map(({ closed }) => closed))
    await this.ground[Symbol.asyncDispose]()
  }
}

/** What a promise rejects with; 'answered' where it does not. */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'answered',
    (error: unknown) => error,
  )
}

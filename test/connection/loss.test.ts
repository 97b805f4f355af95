import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConnectionLostError, OutcomeUnknownError } from '../../src/errors.ts'
import { type Ground, startGround, tagOn } from './ground.ts'

const SELF_TERMINATION = 'select pg_terminate_backend(pg_backend_pid())'

let ground: Ground
const uncaught: unknown[] = []
const note = (error: unknown) => uncaught.push(error)

beforeAll(async () => {
  ground = await startGround()
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
})
afterAll(async () => {
  await ground[Symbol.asyncDispose]()
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
})

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => error,
  )

describe('a connection that ends', () => {
  it('under a statement in a transaction: outcome unknown, 20 times, each within a second', async () => {
    for (let round = 0; round < 20; round++) {
      const connection = await ground.open()
      await connection.run({ text: 'begin' })
      const start = performance.now()
      const error = await failureOf(connection.run({ text: SELF_TERMINATION }))
      expect(error).toBeInstanceOf(OutcomeUnknownError)
      expect((error as Error).message).toContain('57P01')
      expect(performance.now() - start).toBeLessThan(1_000)
      expect(connection.isOpen).toBe(false)
      await connection.closed
      expect(await failureOf(connection.run({ text: 'commit' }))).toBeInstanceOf(ConnectionLostError)
    }
  })

  it('at a one-millisecond idle-in-transaction timeout: 20 times, each within a second', async () => {
    for (let round = 0; round < 20; round++) {
      const connection = await ground.open({ settings: { idle_in_transaction_session_timeout: '1' } })
      await connection.run({ text: 'begin' })
      const start = performance.now()
      await connection.closed
      const error = await failureOf(connection.run({ text: 'select 1' }))
      expect(error).toBeInstanceOf(ConnectionLostError)
      expect((error as Error).message).toContain('25P03')
      expect(performance.now() - start).toBeLessThan(1_000)
    }
  })

  it('while the statement is on its way: lost or unknown, and always answered', async () => {
    for (let round = 0; round < 20; round++) {
      const connection = await ground.open({ settings: { idle_in_transaction_session_timeout: '1' } })
      await connection.run({ text: 'begin' })
      const end = await failureOf(connection.run({ text: 'select pg_sleep(0.003)' }))
      const kind = end instanceof Error ? end.constructor : end
      expect(['no error', OutcomeUnknownError, ConnectionLostError]).toContain(kind)
      await connection.closed
    }
  })

  it('under COPY FROM STDIN: answers within a second and closes, 20 times', async () => {
    const maker = await ground.open()
    await maker.run({ text: 'create table copied (n int)' })
    for (let round = 0; round < 20; round++) {
      const connection = await ground.open()
      const start = performance.now()
      const error = await failureOf(
        connection.run({ text: 'copy copied from stdin', prepare: round % 2 === 0 }),
      )
      expect(error).toMatchObject({ code: 'unsupported' })
      await connection.closed
      expect(performance.now() - start).toBeLessThan(1_000)
    }
  })

  it('by an operator while idle is not open', async () => {
    const connection = await ground.open()
    await ground.terminate(connection.pid)
    await connection.closed
    expect(connection.isOpen).toBe(false)
    expect(await failureOf(connection.run({ text: 'select 1' }))).toBeInstanceOf(ConnectionLostError)
    expect(await failureOf(connection.clean('application'))).toBeInstanceOf(ConnectionLostError)
    await connection.close()
  })

  it('under a query of a user rejects it with an error of ours', async () => {
    const connection = await ground.open()
    const sql = tagOn(connection)
    const query = sql`select pg_terminate_backend(pg_backend_pid())`
    await expect(query).rejects.toBeInstanceOf(OutcomeUnknownError)
    await expect(sql`select 1`).rejects.toBeInstanceOf(ConnectionLostError)
  })

  it('while a cursor callback is at work rejects the query when the callback is still working', async () => {
    const connection = await ground.open()
    let release: () => void = () => {}
    const working = new Promise<void>((resolve) => {
      release = resolve
    })
    const query = tagOn(connection)`select generate_series(1, 9)`.cursor(2, () => working)
    const error = failureOf(Promise.resolve(query))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await ground.terminate(connection.pid)
    expect(await error).toBeInstanceOf(OutcomeUnknownError)
    release()
  })

  it('under the stream of a COPY ends the stream with the error', async () => {
    const connection = await ground.open()
    await connection.run({ text: 'create temp table streamed (n int)' })
    const stream = (await tagOn(
      connection,
    )`copy streamed from stdin`.writable()) as unknown as NodeJS.WritableStream
    const ended = new Promise((resolve) => stream.once('error', resolve))
    await ground.terminate(connection.pid)
    expect(await ended).toBeInstanceOf(OutcomeUnknownError)
  })

  it('by destroy() rejects the statement, with the cause, and frees the socket at once', async () => {
    const connection = await ground.open()
    const running = failureOf(connection.run({ text: 'select pg_sleep(30)' }))
    await new Promise((resolve) => setImmediate(resolve))
    const cause = new Error('the lease is over')
    connection.destroy(cause)
    const error = await running
    expect(error).toBeInstanceOf(OutcomeUnknownError)
    expect((error as Error).cause).toBe(cause)
    await connection.closed
  })

  it('by destroy() before the statement was written says that nothing ran', async () => {
    const connection = await ground.open()
    const running = failureOf(connection.run({ text: 'select 1' }))
    connection.destroy(new Error('at once'))
    expect(await running).toBeInstanceOf(ConnectionLostError)
  })
})

/** What keeps the process alive, counted by kind. */
function resources(): (kind: string) => number {
  const all = process.getActiveResourcesInfo()
  return (kind) => all.filter((name) => name === kind).length
}

describe('close()', () => {
  it('leaves no socket, timer or session', async () => {
    const before = resources()
    const own = await startGround()
    const connections = await Promise.all([own.open(), own.open(), own.open()])
    await connections[0]?.run({ text: 'select 1' })
    expect(await own.sessions()).toBe(3)
    await Promise.all(connections.map((connection) => connection.close()))
    await own[Symbol.asyncDispose]()
    const after = resources()
    for (const kind of ['TCPSocketWrap', 'Timeout']) expect(after(kind)).toBeLessThanOrEqual(before(kind))
  })

  it('refuses while a statement runs', async () => {
    const connection = await ground.open()
    const running = connection.run({ text: 'select pg_sleep(0.02)' })
    await expect(connection.close()).rejects.toMatchObject({ code: 'internal' })
    await running
    await connection.close()
    await connection.close()
  })
})

it('nothing of all this was thrown outside a promise that someone holds', async () => {
  await new Promise((resolve) => setImmediate(resolve))
  expect(uncaught).toEqual([])
})

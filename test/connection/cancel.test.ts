import { connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { CancelledError, LeaseExpiredError, OutcomeUnknownError } from '../../src/errors.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { type Ground, startGround, tagOn } from './ground.ts'

let ground: Ground
let connection: DriverConnection

beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
})

afterAll(() => ground[Symbol.asyncDispose]())

const settled = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => 'answered',
    (error: unknown) => error,
  )

const runningOn = (on: DriverConnection): Promise<void> =>
  vi.waitFor(
    async () => {
      const rows = await ground.server.query(
        "select 1 from pg_stat_activity where pid = $1 and state = 'active' and wait_event = 'PgSleep'",
        [on.pid],
      )
      expect(rows).toHaveLength(1)
    },
    { timeout: 5_000, interval: 5 },
  )

describe('cancel()', () => {
  it('ends the statement at once, and the connection goes on', async () => {
    const start = performance.now()
    const running = settled(connection.run({ text: 'select pg_sleep(30)' }))
    await runningOn(connection)
    await connection.cancel()
    expect(await running).toBeInstanceOf(CancelledError)
    expect(performance.now() - start).toBeLessThan(5_000)
    expect((await connection.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  })

  it('rejects the statement with the reason that it is given', async () => {
    const reason = new LeaseExpiredError('over')
    for (const start of [
      () => connection.run({ text: 'select pg_sleep(30)' }),
      () => tagOn(connection)`select pg_sleep(30)`,
    ]) {
      const running = settled(start())
      await runningOn(connection)
      await connection.cancel(reason)
      expect(await running).toBe(reason)
    }
  })

  it('does nothing to an idle connection', async () => {
    await connection.cancel()
    expect((await connection.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  })

  it('ends a transaction block that runs in it as failed', async () => {
    await connection.run({ text: 'begin' })
    const running = settled(connection.run({ text: 'select pg_sleep(30)' }))
    await runningOn(connection)
    await connection.cancel()
    await running
    expect(connection.transaction).toBe('failed')
    await connection.clean('application')
    expect(connection.transaction).toBe('idle')
  })

  it('ends a cursor whose callback does not come back', async () => {
    const query = tagOn(connection)`select generate_series(1, 9)`.cursor(2, () => new Promise(() => {}))
    const running = settled(query as PromiseLike<unknown>)
    await vi.waitFor(() => expect(connection.isBusy).toBe(true), { interval: 1 })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await connection.cancel()
    expect(await running).toBeInstanceOf(CancelledError)
    expect((await connection.run({ text: 'select generate_series(1, 2)' })).rows).toHaveLength(2)
  })

  it('ends a COPY that waits for its writer', async () => {
    await connection.run({ text: 'create temp table written (n int)' })
    const stream = (await tagOn(
      connection,
    )`copy written from stdin`.writable()) as unknown as NodeJS.WritableStream
    const ended = new Promise((resolve) => stream.once('error', resolve))
    await connection.cancel()
    await ended
    await vi.waitFor(() => expect(connection.isBusy).toBe(false))
    expect((await connection.run({ text: 'select count(*)::int as n from written' })).rows).toEqual([
      { n: 0 },
    ])
  })
})

describe('a late cancel', () => {
  it('never hits the next statement: 100 rounds at the moment the statement ends', async () => {
    let cancelled = 0
    for (let round = 0; round < 100; round++) {
      const first = settled(connection.run({ text: 'select pg_sleep(0.004)' }))
      await new Promise((resolve) => setTimeout(resolve, round % 6))
      const cancelling = connection.cancel()
      if ((await first) !== 'answered') cancelled++
      const next = await settled(connection.run({ text: 'select pg_sleep(0.001)' }))
      expect(next).toBe('answered')
      await cancelling
    }
    expect(cancelled).toBeGreaterThan(0)
    expect(cancelled).toBeLessThan(100)
  })

  it('is waited for before the connection is free, though the statement has ended by itself', async () => {
    await using gate = await startGate(ground.target.host, ground.target.port)
    const own = await ground.open({ port: gate.port })
    const running = settled(own.run({ text: 'select pg_sleep(0.05)' }))
    gate.holdNew()
    const cancelling = own.cancel()
    await vi.waitFor(() => expect(gate.held).toBe(1))
    const isFirst = await Promise.race([running, ground.server.query('select pg_sleep(0.2)')])
    expect(isFirst).not.toBe('answered')
    expect(own.isBusy).toBe(true)
    gate.release()
    await cancelling
    expect(await running).toBe('answered')
    expect((await own.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  })

  it('that gets no answer costs the connection, in bounded time', async () => {
    await using proxy = await startFaultProxy({ host: ground.target.host, port: ground.target.port })
    const own = await ground.open({ port: proxy.port })
    const running = settled(own.run({ text: 'select pg_sleep(30)' }))
    await runningOn(own)
    await proxy.setMode('black-hole')
    const start = performance.now()
    await own.cancel()
    expect(performance.now() - start).toBeLessThan(3_000)
    expect(await running).toBeInstanceOf(OutcomeUnknownError)
    expect(own.isOpen).toBe(false)
  })
})

it('opens two cancel sockets to one server at once, and serves the others in turn', async () => {
  await using proxy = await startFaultProxy({ host: ground.target.host, port: ground.target.port })
  const connections = await Promise.all(Array.from({ length: 6 }, () => ground.open({ port: proxy.port })))
  const running = connections.map((own) => settled(own.run({ text: 'select pg_sleep(30)' })))
  await Promise.all(connections.map(runningOn))
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, proxy.connections - connections.length)
  }, 1)
  await Promise.all(connections.map((own) => own.cancel()))
  clearInterval(watch)
  for (const end of await Promise.all(running)) expect(end).toBeInstanceOf(CancelledError)
  expect(most).toBeLessThanOrEqual(2)
})

it('asks nothing of the server for a statement that ended while its cancel waited for its turn', async () => {
  await using gate = await startGate(ground.target.host, ground.target.port)
  const connections = await Promise.all(Array.from({ length: 3 }, () => ground.open({ port: gate.port })))
  const running = connections.map((own, n) =>
    settled(own.run({ text: `select pg_sleep(${n < 2 ? 30 : 0.05})` })),
  )
  gate.holdNew()
  const cancelling = connections.map((own) => own.cancel())
  await vi.waitFor(() => expect(gate.held).toBe(2))
  await ground.server.query('select pg_sleep(0.2)')
  gate.release()
  await Promise.all(cancelling)
  expect(await Promise.all(running)).toEqual([
    expect.any(CancelledError),
    expect.any(CancelledError),
    'answered',
  ])
  expect(gate.accepted).toBe(5)
})

interface Gate extends AsyncDisposable {
  readonly port: number
  /** Connections taken since the start. */
  readonly accepted: number
  readonly held: number
  /** From now on new connections wait before they are passed on. */
  holdNew(): void
  release(): void
}

async function startGate(host: string, port: number): Promise<Gate> {
  let isHolding = false
  let accepted = 0
  const waiting: (() => void)[] = []
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    accepted++
    sockets.add(client)
    client.on('error', () => {})
    const pass = () => {
      const server = connect({ host, port, noDelay: true })
      sockets.add(server)
      server.on('error', () => {})
      client.pipe(server).pipe(client)
    }
    if (isHolding) waiting.push(pass)
    else pass()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get accepted() {
      return accepted
    },
    get held() {
      return waiting.length
    },
    holdNew: () => {
      isHolding = true
    },
    release: () => {
      isHolding = false
      for (const pass of waiting.splice(0)) pass()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

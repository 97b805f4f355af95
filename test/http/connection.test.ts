import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { answerOf, type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
let acme: { key: string; database: string }
let globex: { key: string; database: string }
beforeAll(async () => {
  world = await startServiceWorld({ MAX_CONNECTIONS_PER_TENANT: '1', MAX_BODY_BYTES: '2048' })
  acme = await world.tenant('acme')
  globex = await world.tenant('globex')
})
afterAll(() => world[Symbol.asyncDispose]())

const QUERY = '/v1/query'
const ask = (sql: string, by = acme) => world.ask(QUERY, { key: by.key, body: { sql } })

/** Statements of the tenant's role that the server runs now. */
async function running({ database }: { database: string }, like: string): Promise<number> {
  const rows = await world.server.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where datname = $1 and state = 'active' and query like $2`,
    [database, like],
  )
  return rows[0]?.n ?? 0
}

function socketTo(url: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  return socket
}

describe('a client that leaves', () => {
  it('ends its statement on the server, frees the connection, and its INSERT does not stay', async () => {
    const sql = "insert into notes (body) select 'left behind' from (select pg_sleep(20)) s"
    const sent = world.open(QUERY, { key: acme.key, body: { sql } })
    sent.on('error', () => undefined)
    await vi.waitFor(async () => expect(await running(acme, 'insert into notes%')).toBe(1))
    sent.destroy()
    await vi.waitFor(async () => expect(await running(acme, 'insert into notes%')).toBe(0), 2_000)
    // The tenant's only connection serves again.
    const { json } = await ask("select count(*)::int from notes where body = 'left behind'")
    expect(json.rows).toEqual([{ count: 0 }])
  })

  it('ends its transaction between two statements', async () => {
    const statements = [{ sql: "insert into notes (body) values ('half')" }, { sql: 'select pg_sleep(20)' }]
    const sent = world.open('/v1/transaction', { key: acme.key, body: { statements } })
    sent.on('error', () => undefined)
    await vi.waitFor(async () => expect(await running(acme, 'select pg_sleep%')).toBe(1))
    sent.destroy()
    await vi.waitFor(async () => {
      expect((await ask("select count(*)::int from notes where body = 'half'")).json.rows).toEqual([
        { count: 0 },
      ])
    })
  })

  it('leaves the queue of those that wait for a connection', async () => {
    const holder = world.open(QUERY, { key: acme.key, body: { sql: 'select pg_sleep(20)' } })
    holder.on('error', () => undefined)
    await vi.waitFor(async () => expect(await running(acme, '%pg_sleep%')).toBe(1))
    const waiter = world.open(QUERY, { key: acme.key, body: { sql: 'select 1' } })
    waiter.on('error', () => undefined)
    const waiting = async () => (await world.operate('/v1/pools')).json.waiters
    await vi.waitFor(async () => expect(await waiting()).toBe(1))
    waiter.destroy()
    await vi.waitFor(async () => expect(await waiting()).toBe(0))
    holder.destroy()
    await vi.waitFor(async () => expect(await running(acme, '%pg_sleep%')).toBe(0))
  })

  it("in the middle of its body is nobody's defect", async () => {
    const socket = socketTo(world.service.url)
    socket.write(
      `POST ${QUERY} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${acme.key}\r\nContent-Length: 100\r\n\r\n{"sql"`,
    )
    await once(socket, 'connect')
    socket.end()
    await vi.waitFor(() => expect(world.logLines.join('')).toContain('"code":"cancelled"'))
    expect(world.logLines.filter((line) => line.includes('"level":50'))).toEqual([])
  })
})

describe('a tenant that ends its own backend', () => {
  it('gets an answer that says so, and no other tenant notices', async () => {
    for (let time = 0; time < 20; time++) {
      const [own, other] = await Promise.all([
        ask('select pg_terminate_backend(pg_backend_pid())'),
        ask('select 1 as one', globex),
      ])
      expect([own.status, own.json.code]).toEqual([502, 'outcome_unknown'])
      expect(other.json.rows).toEqual([{ one: 1 }])
    }
    expect((await ask('select 1 as one')).json.rows).toEqual([{ one: 1 }])
  })

  it('inside a transaction, by hand or by a timeout of one millisecond', async () => {
    const dying = ['select pg_terminate_backend(pg_backend_pid())', 'select 1']
    const byHand = { statements: dying.map((sql) => ({ sql })) }
    const { status } = await world.ask('/v1/transaction', { key: acme.key, body: byHand })
    expect(status).toBe(502)
    const timeout = "set idle_in_transaction_session_timeout to '1ms'"
    const idle = { statements: [timeout, 'select 1', 'select 2'].map((sql) => ({ sql })) }
    expect([200, 502]).toContain((await world.ask('/v1/transaction', { key: acme.key, body: idle })).status)
    expect((await ask('select 1 as one')).json.rows).toEqual([{ one: 1 }])
  })

  it('or asks for COPY, which HTTP has no place for', async () => {
    for (const sql of ['copy notes from stdin', 'copy notes to stdout']) {
      expect((await ask(sql)).status).toBe(400)
      expect((await ask('select 1 as one')).json.rows).toEqual([{ one: 1 }])
    }
  })
})

describe('a request that is not one', () => {
  it.each(['authorization', 'x-tenant-id', 'host'])('is refused with two headers %s', async (name) => {
    const values = {
      authorization: `Bearer ${acme.key}`,
      'x-tenant-id': 'acme',
      host: 'acme.db.example.test',
    }
    const value = values[name as keyof typeof values]
    const headers = [
      [name, value],
      [name, value],
    ] as const
    const key = name === 'authorization' ? {} : { key: acme.key }
    const answer = await world.ask(QUERY, { ...key, headers, body: { sql: 'select 1' } })
    expect(answer.status).toBe(400)
  })

  it('is refused with a chunked body over the cap, before it has all come', async () => {
    const socket = socketTo(world.service.url)
    socket.write(
      `POST ${QUERY} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${acme.key}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
    for (let n = 0; n < 4; n++) socket.write(chunk)
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(first.toString()).toContain('HTTP/1.1 413')
    socket.destroy()
  })

  it('is refused with both a length and chunks', async () => {
    const socket = socketTo(world.service.url)
    socket.end(
      `POST ${QUERY} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${acme.key}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    )
    expect(await textOf(socket)).toContain('HTTP/1.1 400')
  })
})

describe('a client that is slow to read', () => {
  it('holds no connection of the database meanwhile', async () => {
    const sent = world.open(QUERY, {
      key: acme.key,
      body: { sql: "select repeat('x', 1000) from generate_series(1, 5000)" },
    })
    const [response] = (await once(sent, 'response')) as [{ pause(): void; destroy(): void }]
    response.pause()
    expect((await ask('select 1 as one')).json.rows).toEqual([{ one: 1 }])
    response.destroy()
  })
})

describe('many at once', () => {
  it('each get an answer of their own', async () => {
    const numbers = Array.from({ length: 100 }, (_, n) => n)
    const answers = await Promise.all(
      numbers.map((n) => {
        const { key } = n % 2 ? acme : globex
        return answerOf(
          world.open(QUERY, {
            key,
            body: { sql: 'select $1::int as n, current_database() as d', params: [n] },
          }),
        )
      }),
    )
    expect(answers.map(({ json }) => json.rows[0])).toEqual(
      numbers.map((n) => ({ n, d: (n % 2 ? acme : globex).database })),
    )
  })
})

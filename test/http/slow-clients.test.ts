import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { readSlowly } from '../support/read-slowly.ts'
import { answerOf, type ServiceWorld, startServiceWorld } from './service-world.ts'

const STALL_MS = 1_000

let world: ServiceWorld
let acme: { key: string; database: string }
let globex: { key: string; database: string }
beforeAll(async () => {
  world = await startServiceWorld({
    MAX_CONNECTIONS_PER_TENANT: '1',
    STREAM_STALL_TIMEOUT_MS: String(STALL_MS),
    STATEMENT_TIMEOUT_MS: '5000',
    MAX_RESULT_BYTES: '67108864',
    MAX_ROWS: '100000',
  })
  acme = await world.tenant('acme')
  globex = await world.tenant('globex')
})
afterAll(() => world[Symbol.asyncDispose]())

const open = (body: object, { key } = acme) => world.open('/v1/query', { key, body })
const one = async ({ key } = acme) => {
  const { json } = await world.ask('/v1/query', { key, body: { sql: 'select 1 as one' } })
  return json.rows
}

/** Larger than what the system keeps for a socket that nobody reads. */
const HUGE = "select repeat('x', 1000000) as x from generate_series(1, 200)"

/** The answer of one that stops reading after the first bytes. */
async function unread(sent: ClientRequest): Promise<IncomingMessage> {
  sent.on('error', () => undefined)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.on('error', () => undefined)
  await once(response, 'readable')
  return response
}

const stalled = () => world.logLines.filter((line) => line.includes('"stream_stalled"')).length

/** Reads what had been sent; whether that was all. */
async function readsToItsEnd(response: IncomingMessage): Promise<boolean> {
  response.resume()
  // Not `once`: a body that breaks off is an error, too, and that comes first.
  if (!response.closed) await new Promise((resolve) => response.on('close', resolve))
  return response.complete
}

function socketTo(url: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  return socket
}

describe('a client that stops reading', () => {
  it.each(['ndjson', 'csv'])(
    'its %s loses its connection, and the database its statement',
    async (format) => {
      const response = await unread(open({ sql: HUGE, format }))
      const startedAt = performance.now()
      // The tenant has this one connection only.
      expect(await one()).toEqual([{ one: 1 }])
      expect(performance.now() - startedAt).toBeLessThan(STALL_MS + 1_000)
      expect(await readsToItsEnd(response)).toBe(false)
    },
  )

  it('a large JSON answer loses its connection, and the database never waits for it', async () => {
    const sql = "select repeat('x', 40000) as x from generate_series(1, 1000)"
    const before = stalled()
    const response = await unread(open({ sql }))
    const startedAt = performance.now()
    expect(await one()).toEqual([{ one: 1 }])
    expect(performance.now() - startedAt).toBeLessThan(STALL_MS)
    await vi.waitFor(() => expect(stalled()).toBe(before + 1), 10_000)
    expect(await readsToItsEnd(response)).toBe(false)
  })
})

describe('a client that reads slowly and steadily', () => {
  it('gets even a row that takes longer than the stall limit', async () => {
    const bytes = 32_000_000
    const sent = open({ sql: `select repeat('x', ${bytes}) as x`, format: 'ndjson' })
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const startedAt = performance.now()
    expect(await readSlowly(response, bytes, STALL_MS / 3)).toBeGreaterThan(bytes)
    expect(performance.now() - startedAt).toBeGreaterThan(2 * STALL_MS)
  })
})

describe('three hundred clients that are slow in each of the ways', () => {
  it('hold up nobody else', async () => {
    const head = `POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${acme.key}\r\n`
    const sockets = Array.from({ length: 300 }, (_socket, n) => {
      const socket = socketTo(world.service.url)
      if (n % 3 === 0) socket.write(head.slice(0, 40))
      else if (n % 3 === 1) socket.write(`${head}Content-Length: 100\r\n\r\n{"sql": "sel`)
      else {
        const body = JSON.stringify({ sql: HUGE, format: 'csv' })
        socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
        socket.pause()
      }
      return socket
    })
    await Promise.all(
      sockets.map((socket) => (socket.connecting ? once(socket, 'connect') : Promise.resolve())),
    )
    for (let round = 0; round < 20; round++) {
      const startedAt = performance.now()
      expect(await one(globex)).toEqual([{ one: 1 }])
      expect(performance.now() - startedAt).toBeLessThan(5_000)
    }
    for (const socket of sockets) socket.destroy()
    await vi.waitFor(async () => expect(await one()).toEqual([{ one: 1 }]), 10_000)
    expect((await world.operate('/v1/pools')).json.connections.leased).toBe(0)
  })
})

// The open loop, with the waits of the others measured, is in test/router/faults-silence.test.ts.
describe('a tenant that floods', () => {
  it('costs no other tenant an answer', async () => {
    const flood = Array.from({ length: 200 }, () => answerOf(open({ sql: 'select pg_sleep(0.01)' })))
    for (let round = 0; round < 20; round++) expect(await one(globex)).toEqual([{ one: 1 }])
    const statuses = new Set((await Promise.all(flood)).map(({ status }) => status))
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
  })
})

describe('our own process standing still', () => {
  it('for half a second is told by readiness, and costs no request, no connection and no trust in a server', async () => {
    const pid = async () =>
      (await world.ask('/v1/query', { key: acme.key, body: { sql: 'select pg_backend_pid() as pid' } })).json
        .rows[0].pid
    const before = await pid()
    const asked = Array.from({ length: 20 }, () => answerOf(open({ sql: 'select pg_sleep(0.01), 1 as one' })))
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.leased).toBe(1))
    await using proxy = await startFaultProxy(world.server)
    const initech = await world.tenant('initech', proxy)
    // So slow that a connection is being opened when we fall asleep.
    await proxy.setMode('slow', { latencyMs: 30 })
    const { accepted } = proxy
    const cold = one(initech)
    const connections = async () => (await world.operate('/v1/pools')).json.connections
    await vi.waitFor(async () => expect((await connections()).opening).toBe(1), { interval: 1 })
    const until = performance.now() + 500
    while (performance.now() < until);
    const readiness = async () => (await world.operate('/readyz')).json.status
    expect(await readiness()).toBe('late')
    expect(await cold).toEqual([{ one: 1 }])
    expect(proxy.accepted).toBe(accepted + 1)
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await pid()).toBe(before)
    const { servers } = (await world.operate('/v1/pools')).json
    expect(servers.map(({ breaker }: { breaker: string }) => breaker)).toEqual(['closed', 'closed'])
    await vi.waitFor(async () => expect(await readiness()).toBe('ready'), 5_000)
  })
})

import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
let acme: { key: string; database: string }
beforeAll(async () => {
  world = await startServiceWorld({ MAX_CONNECTIONS_PER_TENANT: '2', STREAM_STALL_TIMEOUT_MS: '20000' })
  acme = await world.tenant('acme')
})
afterAll(() => world[Symbol.asyncDispose]())

/** Statements of the tenant that the server runs now. */
async function running(): Promise<number> {
  const rows = await world.server.query<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where datname = $1 and state = 'active'",
    [acme.database],
  )
  return rows[0]?.n ?? 0
}

/** One socket that sends all requests before it reads any answer. */
function pipelined(bodies: readonly object[]): Socket {
  const { hostname, port } = new URL(world.service.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  for (const one of bodies) {
    const body = JSON.stringify(one)
    const head = `POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${acme.key}\r\n`
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
  }
  return socket
}

const SLEEP = { sql: 'select pg_sleep(20)' }

describe('a client that sends its next request before it has its answer', () => {
  it.each([
    ['a JSON answer', SLEEP],
    [
      'a stream',
      { sql: 'select case when i > 4 then pg_sleep(20) end from generate_series(1, 9) i', format: 'csv' },
    ],
  ])('and leaves ends both statements: %s', async (_, second) => {
    const socket = pipelined([SLEEP, second])
    await vi.waitFor(async () => expect(await running()).toBe(2), 5_000)
    socket.destroy()
    await vi.waitFor(async () => expect(await running()).toBe(0), 3_000)
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.leased).toBe(0))
  })
})

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { resources, resourcesSettledTo } from '../support/resources.ts'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
let acme: { key: string; database: string }
beforeAll(async () => {
  world = await startServiceWorld({ MAX_CONNECTIONS_PER_TENANT: '1', STREAM_STALL_TIMEOUT_MS: '1000' })
  acme = await world.tenant('acme')
  await one() // the connection to Postgres stays
})
afterAll(() => world[Symbol.asyncDispose]())

const one = async () =>
  (await world.ask('/v1/query', { key: acme.key, body: { sql: 'select 1 as one' } })).json.rows
const WIDE = "select repeat('x', 100000) as x from generate_series(1, 1000)"

/** Whose answer has begun, and who then reads nothing. */
async function reader(format: string): Promise<Socket> {
  const { hostname, port } = new URL(world.service.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  const body = JSON.stringify({ sql: WIDE, format })
  const head = `POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${acme.key}\r\nX-Request-ID: ${format}`
  socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await once(socket, 'readable')
  socket.read(1)
  return socket
}

const linesOf = (id: string) =>
  world.logLines.filter((line) => line.includes(`"requestId":"${id}"`) && line.includes('"isBroken"'))

describe.each(['ndjson', 'csv'])('a client of %s', (format) => {
  it.each([
    ['resets its connection', (socket: Socket) => void socket.resetAndDestroy(), 'cancelled'],
    ['is silent from then on', () => undefined, 'stream_stalled'],
  ])('that %s in mid-answer frees the connection, and is told of once', async (_, leave, code) => {
    const before = resources()
    world.logLines.length = 0
    const socket = await reader(format)
    leave(socket)
    expect(await one()).toEqual([{ one: 1 }])
    await vi.waitFor(() => expect(linesOf(format)).toHaveLength(1))
    expect(linesOf(format)[0]).toContain(`"code":"${code}"`)
    expect(world.logLines.filter((line) => /"level":[56]0/.test(line))).toEqual([])
    socket.destroy()
    expect(await resourcesSettledTo(before)).toEqual(before)
  })
})

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ChildService } from './child-service.ts'
import { MEMORY_LIMIT, memoryOfCrowd } from './crowd-memory.ts'
import { type ServiceWorld, startChildWorld } from './service-world.ts'

const MIB = 1_048_576
const SLOW_CLIENTS = 5_000
const STALLED = 'tenantry_broken_answers_total{code="stream_stalled"}'

let world: ServiceWorld<ChildService>
let key: string
let other: string
/** Of a request by `key`, but for its end. */
let head: string
beforeAll(async () => {
  const settings = {
    ACQUIRE_TIMEOUT_MS: '300000',
    STATEMENT_TIMEOUT_MS: '60000',
    MAX_CONNECTIONS_PER_TENANT: '20',
    STREAM_STALL_TIMEOUT_MS: '2000',
  }
  world = await startChildWorld(settings, 12_000)
  key = (await world.tenant('acme')).key
  other = (await world.tenant('globex')).key
})
afterAll(() => world[Symbol.asyncDispose]())

const open = (body: object) => world.open('/v1/query', { key, body })
const rss = () => world.service.metric('process_resident_memory_bytes')
const one = async (by: string) =>
  (await world.ask('/v1/query', { key: by, body: { sql: 'select 1 as one' } })).json.rows

describe('memory', () => {
  it('stays flat while a gigabyte is streamed', async () => {
    const before = await rss()
    const sql = "select repeat('x', 10000) as x from generate_series(1, 100000)"
    const [response] = (await once(open({ sql, format: 'csv' }), 'response')) as [IncomingMessage]
    let bytes = 0
    let highest = before
    let nextLook = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes < nextLook) continue
      nextLook += 50 * MIB
      highest = Math.max(highest, await rss())
    }
    expect(bytes).toBeGreaterThan(1_000_000_000)
    expect(highest - before).toBeLessThan(100 * MIB)
  })

  it('is bounded while a hundred ask for ten million rows at once', async () => {
    const { before, highest, answers } = await memoryOfCrowd(world, key, 100)
    expect(answers).toEqual(['507 result_too_large'])
    expect(highest - before).toBeLessThan(200 * MIB)
    expect(highest).toBeLessThan(MEMORY_LIMIT)
  })
})

/** Its answer is larger than what the system keeps for a socket; it reads 1,024 bytes of it each second. */
function readerOf(socket: Socket): void {
  const body = JSON.stringify({
    sql: "select repeat('x', 10000) from generate_series(1, 2000)",
    format: 'csv',
  })
  socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
  socket.once('readable', () => {
    const reading = setInterval(() => socket.read(1_024), 1_000)
    socket.once('close', () => clearInterval(reading))
  })
}

/** Sends no more of its head, or of its body. */
function stallerOf(socket: Socket, part: 'head' | 'body'): void {
  socket.write(part === 'head' ? head.slice(0, 40) : `${head}Content-Length: 100\r\n\r\n{"sql": "sel`)
  socket.resume()
}

async function slowestOf(rounds: number): Promise<number> {
  let slowest = 0
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    expect(await one(other)).toEqual([{ one: 1 }])
    slowest = Math.max(slowest, performance.now() - startedAt)
    await sleep(100)
  }
  return slowest
}

describe(`${SLOW_CLIENTS} slow clients, of whom every tenth reads 1 kB a second`, () => {
  it('hold up nobody, and no connection past their deadlines', async () => {
    head = `POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`
    const { hostname, port } = new URL(world.service.url)
    const sockets: Socket[] = []
    for (let n = 0; n < SLOW_CLIENTS; n++) {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      if (n % 10 === 9) readerOf(socket)
      else stallerOf(socket, n % 2 ? 'head' : 'body')
      sockets.push(socket)
      if (n % 100 === 0) await once(socket, 'connect')
    }
    const [readers, stallers] = [
      sockets.filter((_, n) => n % 10 === 9),
      sockets.filter((_, n) => n % 10 !== 9),
    ]
    expect(await slowestOf(100)).toBeLessThan(1_000)
    await vi.waitFor(() => expect(stallers.filter((socket) => !socket.destroyed)).toEqual([]), 60_000)
    await vi.waitFor(async () => expect(await world.service.metric(STALLED)).toBe(readers.length), 180_000)
    const { connections, waiters } = (await world.operate('/v1/pools')).json
    expect([connections.leased, waiters]).toEqual([0, 0])
    // They have not even read to the end yet.
    expect(readers.filter((socket) => socket.destroyed)).toEqual([])
    for (const socket of readers) socket.destroy()
    expect(await one(key)).toEqual([{ one: 1 }])
  })
})

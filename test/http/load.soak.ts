import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ChildService } from './child-service.ts'
import { answerOf, type ServiceWorld, startChildWorld } from './service-world.ts'

const MIB = 1_048_576
const SLOW_CLIENTS = 5_000

let world: ServiceWorld<ChildService>
let key: string
let other: string
beforeAll(async () => {
  const settings = {
    ACQUIRE_TIMEOUT_MS: '300000',
    STATEMENT_TIMEOUT_MS: '60000',
    MAX_CONNECTIONS_PER_TENANT: '20',
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
    const before = await rss()
    const sql = 'select * from generate_series(1, 10000000)'
    const asked = Array.from({ length: 100 }, () => answerOf(open({ sql })))
    let highest = before
    let isOver = false
    const watching = (async () => {
      while (!isOver) highest = Math.max(highest, await rss())
    })()
    const statuses = new Set((await Promise.all(asked)).map(({ status }) => status))
    isOver = true
    await watching
    expect(statuses).toEqual(new Set([507]))
    expect(highest - before).toBeLessThan(200 * MIB)
  })
})

describe(`${SLOW_CLIENTS} slow clients`, () => {
  it('hold up nobody, and are gone when the deadlines for head and body have passed', async () => {
    const { hostname, port } = new URL(world.service.url)
    const head = `POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`
    const sockets: Socket[] = []
    for (let n = 0; n < SLOW_CLIENTS; n++) {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      socket.write(n % 2 ? head.slice(0, 40) : `${head}Content-Length: 100\r\n\r\n{"sql": "sel`)
      socket.resume()
      sockets.push(socket)
      if (n % 100 === 0) await once(socket, 'connect')
    }
    let slowest = 0
    for (let round = 0; round < 100; round++) {
      const startedAt = performance.now()
      expect(await one(other)).toEqual([{ one: 1 }])
      slowest = Math.max(slowest, performance.now() - startedAt)
      await sleep(100)
    }
    expect(slowest).toBeLessThan(1_000)
    await vi.waitFor(() => expect(sockets.filter((socket) => !socket.destroyed)).toEqual([]), 60_000)
    expect(await one(key)).toEqual([{ one: 1 }])
  })
})

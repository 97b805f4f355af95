import { once } from 'node:events'
import { type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ChildService } from './child-service.ts'
import { MEMORY_LIMIT, memoryOfCrowd } from './crowd-memory.ts'
import { answerOf, type ServiceWorld, startChildWorld } from './service-world.ts'

const MIB = 1_048_576
/** As the settings have it by default. */
const MAX_CONNECTIONS = 100
/** Of the tenant plane, where a process may open 256 files. */
const CLIENTS_OF_256 = 28
const CLIENTS = 400

/** One that is connected and asks nothing. */
class IdleClient {
  readonly #socket: Socket
  text = ''
  hasEnded = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', (error) => (this.text = error.message))
    socket.on('data', (chunk: Buffer) => (this.text += chunk.toString()))
    socket.on('close', () => (this.hasEnded = true))
  }

  leave(): void {
    this.#socket.destroy()
  }
}
const rss = (service: ChildService) => service.metric('process_resident_memory_bytes')

describe('memory', { timeout: 60_000 }, () => {
  let world: ServiceWorld<ChildService>
  let key: string
  beforeAll(async () => {
    world = await startChildWorld({ MAX_CONNECTIONS_PER_TENANT: '20', ACQUIRE_TIMEOUT_MS: '30000' })
    key = (await world.tenant('acme')).key
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose]())

  const open = (body: object) => world.open('/v1/query', { key, body })

  it('stays flat while 100 MB are streamed to a client that pauses again and again', async () => {
    await answerOf(open({ sql: 'select 1', format: 'ndjson' }))
    const before = await rss(world.service)
    const sql = "select repeat('x', 10000) as x from generate_series(1, 10000)"
    const sent = open({ sql, format: 'ndjson' })
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    let bytes = 0
    let highest = 0
    let nextLook = 20 * MIB
    let tail = ''
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      tail = (tail + chunk.toString()).slice(-500)
      if (bytes < nextLook) continue
      nextLook += 20 * MIB
      await sleep(50) // the client's own pause: what is not read must wait on the server
      highest = Math.max(highest, await rss(world.service))
    }
    expect(bytes).toBeGreaterThan(100_000_000)
    expect(tail).toContain('"end":{')
    expect(highest - before).toBeLessThan(100 * MIB)
  })

  it('is bounded while thirty ask for ten million rows at once, and the service serves on', async () => {
    const { before, highest, answers } = await memoryOfCrowd(world, key, 30)
    expect(answers).toEqual(['507 result_too_large'])
    expect(highest - before).toBeLessThan(150 * MIB)
    expect(highest).toBeLessThan(MEMORY_LIMIT)
    expect((await answerOf(open({ sql: 'select 1 as one' }))).json.rows).toEqual([{ one: 1 }])
  })
})

describe('open files', { timeout: 60_000 }, () => {
  it('too few for all clients: those above are told 503, the rest is served, and all are when there is room again', async () => {
    await using world = await startChildWorld({}, 256)
    const { key } = await world.tenant('acme')
    const ask = () => world.ask('/v1/query', { key, body: { sql: 'select 1 as one' } })
    expect((await ask()).status).toBe(200)
    const { port, hostname } = new URL(world.service.url)
    const idle = Array.from({ length: CLIENTS }, () => new IdleClient(connect(Number(port), hostname)))
    const refused = () => idle.filter(({ hasEnded }) => hasEnded)
    await vi.waitFor(() => expect(refused().length).toBe(CLIENTS - CLIENTS_OF_256), 5_000)
    expect(new Set(refused().map(({ text }) => text.split('\r\n')[0]))).toEqual(
      new Set(['HTTP/1.1 503 Service Unavailable']),
    )
    const { status, headers, json } = await ask()
    expect([status, json.code, headers['retry-after']]).toEqual([503, 'too_many_clients', '1'])
    expect((await world.operate('/v1/pools')).status).toBe(200)
    expect(await world.service.metric('process_open_fds')).toBeLessThan(256 - MAX_CONNECTIONS)
    expect(world.logLines.join('').match(/clients are refused/g)).toHaveLength(1)
    for (const client of idle) client.leave()
    await vi.waitFor(async () => expect((await ask()).json.rows).toEqual([{ one: 1 }]), 10_000)
  })
})

/** Under Kubernetes the process may take as long after its drain timeout: the grace is longer than their sum. */
const EXIT_MS = 5_000
const DRAIN_MS = 4_000

describe('SIGTERM under load', { timeout: 60_000 }, () => {
  it('fails no request that ends in the drain timeout, cuts the others, and ends with 0 within 5 s of it', async () => {
    await using world = await startChildWorld({
      MAX_CONNECTIONS_PER_TENANT: '4',
      DRAIN_TIMEOUT_MS: String(DRAIN_MS),
    })
    const { key, database } = await world.tenant('acme')
    const late = await world.tenant('globex')
    const sql = 'select pg_sleep(0.5), 1 as one'
    const asked = Array.from({ length: 8 }, () => answerOf(world.open('/v1/query', { key, body: { sql } })))
    const streamed = answerOf(
      world.open('/v1/query', {
        key,
        body: { sql: 'select i, pg_sleep(0.01) from generate_series(1, 50) i', format: 'ndjson' },
      }),
    )
    const cut = answerOf(
      world.open('/v1/query', { key: late.key, body: { sql: 'select pg_sleep(20)' } }),
    ).catch(({ message }: Error) => message)
    const pools = async () => (await world.operate('/v1/pools')).json
    await vi.waitFor(async () => {
      const { connections, waiters } = await pools()
      expect(connections.leased + waiters).toBe(10)
    }, 10_000)
    const startedAt = performance.now()
    world.service.signal('SIGTERM')
    await vi.waitFor(async () => expect((await world.operate('/readyz')).status).toBe(503), 5_000)
    const answers = await Promise.all(asked)
    expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.connection}`))).toEqual(
      new Set(['200 close']),
    )
    expect((await streamed).text).toContain('{"end":{')
    expect(await world.service.exit).toBe(0)
    expect(await cut).toBe('socket hang up')
    expect(performance.now() - startedAt).toBeLessThan(DRAIN_MS + EXIT_MS)
    expect(await world.server.sessionsOf(database)).toBe(0)
    await vi.waitFor(async () => expect(await world.server.sessionsOf(late.database)).toBe(0))
  })

  it('ends at once when it comes again', async () => {
    await using world = await startChildWorld()
    const { key } = await world.tenant('acme')
    const sent = world.open('/v1/query', { key, body: { sql: 'select pg_sleep(20)' } })
    sent.on('error', () => undefined)
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.leased).toBe(1))
    world.service.signal('SIGTERM')
    await vi.waitFor(async () => expect((await world.operate('/readyz')).status).toBe(503), 5_000)
    const again = setInterval(() => world.service.signal('SIGTERM'), 300) // within a second it is the same one
    const startedAt = performance.now()
    expect(await world.service.exit).toBe(1)
    clearInterval(again)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})

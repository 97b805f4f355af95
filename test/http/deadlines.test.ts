import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Directory } from '../../src/registry/directory.ts'
import { ControlledRegistry } from '../registry/controlled-registry.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startHttpWorld } from './http-world.ts'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

const ACQUIRE_MS = 400
const STATEMENT_MS = 600
/** As the service has it: its parts, and 2 s. */
const REQUEST_MS = ACQUIRE_MS + STATEMENT_MS + 2_000

let world: ServiceWorld
let key: string
beforeAll(async () => {
  world = await startServiceWorld({
    MAX_CONNECTIONS_PER_TENANT: '1',
    ACQUIRE_TIMEOUT_MS: String(ACQUIRE_MS),
    STATEMENT_TIMEOUT_MS: String(STATEMENT_MS),
  })
  key = (await world.tenant('acme')).key
})
afterAll(() => world[Symbol.asyncDispose]())

/** Runs it, and says whether it took no longer than a second over its deadline. */
async function inTime<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const answer = await work()
  expect(performance.now() - startedAt).toBeLessThan(deadlineMs + 1_000)
  return answer
}
const ask = (body: object, by = key) => world.ask('/v1/query', { key: by, body })
const UNHEARD = `tk_${'a'.repeat(12)}_${'A'.repeat(43)}`
const SLEEP = { sql: 'select pg_sleep(20)' }

describe('an answer comes a second after its deadline at the latest', () => {
  it('though the head does not, or the body', async () => {
    const { hostname, port } = new URL(world.service.url)
    const head = `POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`
    const answers = [head, `${head}Content-Length: 100\r\n\r\n{"sql": "sel`].map((part) => {
      const socket = connect(Number(port), hostname)
      socket.write(part)
      return textOf(socket)
    })
    for (const answer of await inTime(REQUEST_MS, () => Promise.all(answers)))
      expect(answer).toContain('HTTP/1.1 408')
  })

  it.each(['json', 'csv'])('though the statement does not end: %s', async (format) => {
    const { status, json } = await inTime(STATEMENT_MS, () => ask({ ...SLEEP, format }))
    expect([status, json.code]).toEqual([504, 'statement_timeout'])
  })

  it.each([
    ["select set_config('statement_timeout', '0', false), pg_sleep(20)"],
    ['set statement_timeout to 0', SLEEP.sql],
    ["select set_config('statement_timeout', '0', true)", 'set lock_timeout to 0', SLEEP.sql],
  ])('though the tenant puts its own limits aside: %s', async (...texts) => {
    const statements = texts.map((sql) => ({ sql }))
    const { status, json } = await inTime(STATEMENT_MS, () =>
      world.ask('/v1/transaction', { key, body: { statements } }),
    )
    expect([status, json.code]).toEqual([504, 'statement_timeout'])
  })

  it('though the tenant took the limits of its role away for ever', async () => {
    const { status } = await ask({ sql: 'alter role current_user set statement_timeout to 0' })
    expect(status).toBe(200)
    await world.operate('/v1/tenants/acme/evict', { method: 'POST' })
    expect((await inTime(STATEMENT_MS, () => ask(SLEEP))).json.code).toBe('statement_timeout')
    await ask({ sql: 'alter role current_user reset statement_timeout' })
  })

  it.each(['json', 'ndjson'])('though no connection is free: %s', async (format) => {
    const holder = ask({ ...SLEEP })
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.leased).toBe(1))
    const { status } = await inTime(ACQUIRE_MS + STATEMENT_MS, () => ask({ ...SLEEP, format }))
    expect([503, 504]).toContain(status)
    await holder
  })

  it('though the database has fallen silent', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    const silent = await world.tenant('silent', proxy)
    const one = () => ask({ sql: 'select 1 as one' }, silent.key)
    expect((await one()).status).toBe(200)
    await vi.waitFor(async () => expect((await world.operate('/v1/pools')).json.connections.cleaning).toBe(0))
    await proxy.setMode('black-hole')
    const running = await inTime(STATEMENT_MS, one)
    expect([running.status, running.json.code]).toEqual([502, 'outcome_unknown'])
    const waiting = await inTime(ACQUIRE_MS, one)
    expect([waiting.status, waiting.json.code]).toEqual([503, 'acquire_timeout'])
  })

  it.each([
    [300, 10_000, 504, 'lease_expired'],
    [10_000, 300, 503, 'registry_unavailable'],
  ])(
    'though the registry does not say who asks: requests of %i ms, reads of %i ms',
    async (requestTimeoutMs, readTimeoutMs, status, code) => {
      const registry = new ControlledRegistry()
      registry.mode = 'hanging'
      await using directory = new Directory(registry, { readTimeoutMs })
      await using http = await startHttpWorld([], { callers: directory, tenantApp: { requestTimeoutMs } })
      const body = { sql: 'select 1' }
      const unheard = await inTime(300, () => http.ask('/v1/query', { key: UNHEARD, body }))
      expect([unheard.status, unheard.json.code]).toEqual([status, code])
    },
  )
})

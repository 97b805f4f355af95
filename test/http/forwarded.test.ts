import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerErrors } from '../../src/http/answer-errors.ts'
import { Health } from '../../src/http/health.ts'
import { framed } from '../../src/http/middleware/framed.ts'
import { resolvedCaller } from '../../src/http/middleware/resolved-caller.ts'
import type { TenantEnv } from '../../src/http/request-context.ts'
import { CallerResolver } from '../../src/resolve/caller-resolver.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { startWorld, type World } from '../support/world.ts'
import { keyOf } from './tenancy/ground.ts'

const FORGED = { 'x-forwarded-host': 'globex.example.com', 'x-forwarded-for': '203.0.113.9' }

let world: World
let key: string
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'])
  key = await keyOf(world, 'acme')
})
afterAll(() => world[Symbol.asyncDispose]())

/** The tenant plane as far as the proof of who asks, on a port; its clients are this process. */
async function serving(trustedProxies: readonly string[]) {
  const [lines, refused] = [[] as string[], [] as unknown[]]
  const log = openLog('debug', { write: (line: string) => void lines.push(line) })
  const observer = { requestAnswered: () => undefined, answerBroken: () => undefined }
  const callers = new CallerResolver(world.directory, {
    baseDomain: 'example.com',
    trustedProxies,
    observer: { refused: (...told) => void refused.push(told[3]), served: () => undefined },
  })
  const app = new Hono<TenantEnv>()
  app.use(framed('tenant', { health: new Health(), requestTimeoutMs: 10_000, observer, log }))
  app.use(resolvedCaller(callers))
  app.get('/', (c) => c.text(c.var.caller.tenant.id))
  answerErrors(app)
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server // HTTP/1.1: none else is asked for
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`
  return {
    refused,
    ask: async (headers: Record<string, string>) =>
      (await fetch(url, { headers: { authorization: `Bearer ${key}`, ...headers } })).status,
    clients: () => lines.map((line): unknown => Object(JSON.parse(line)).client),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('a forwarded header', () => {
  it('of anybody changes neither the tenant, nor the address in the log', async () => {
    await using service = await serving(['10.0.0.0/8'])
    expect(await service.ask(FORGED)).toBe(200)
    expect(await service.ask({ ...FORGED, 'x-tenant-id': 'globex' })).toBe(404)
    expect(service.clients()).toEqual(['127.0.0.1', '127.0.0.1'])
    expect(service.refused).toEqual(['127.0.0.1'])
  })

  it('of a trusted proxy says both', async () => {
    await using service = await serving(['127.0.0.1'])
    expect(await service.ask(FORGED)).toBe(404)
    expect(await service.ask({ ...FORGED, 'x-forwarded-host': 'acme.example.com' })).toBe(200)
    expect(service.clients()).toEqual(['203.0.113.9', '203.0.113.9'])
    expect(service.refused).toEqual(['203.0.113.9'])
  })
})

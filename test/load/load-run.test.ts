import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { LoadOptions } from '../../src/load/load-options.ts'
import { runLoad } from '../../src/load/load-run.ts'
import { LoadTarget } from '../../src/load/load-target.ts'

/** A service that answers as it is told: what it gets wrong on purpose must show in the outcome. */
async function startService(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // a TCP server has this form of address
  const target = LoadTarget.parse({
    url: `http://127.0.0.1:${port}`,
    key: 'tk_x',
    tenants: { acme: 'app_acme', globex: 'app_globex' },
  })
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { target, [Symbol.asyncDispose]: close }
}

const answerFrom = (database: string, rows: number) =>
  JSON.stringify({ rows: Array.from({ length: rows }, (_, i) => ({ database, n: i + 1 })) })
const short = (options: LoadOptions = {}) =>
  LoadOptions.parse({ workers: 4, seconds: 0.2, warmupSeconds: 0, rows: 3, ...options })

describe('a load run', () => {
  it('counts right answers, with their rate and latency, of every tenant', async () => {
    await using service = await startService((request, response) =>
      response.end(answerFrom(`app_${String(request.headers['x-tenant-id'])}`, 3)),
    )
    const outcome = await runLoad(service.target, short())
    expect(outcome).toMatchObject({ errors: {}, wrong: 0, tenantsAsked: 2 })
    expect(outcome.requestsPerSecond).toBeCloseTo(outcome.answers / outcome.seconds)
    expect(outcome.latency.p50).toBeGreaterThan(0)
    expect(outcome.latency.p99).toBeGreaterThanOrEqual(outcome.latency.p50)
  })

  it('finds answers that came from another database, and says which', async () => {
    await using service = await startService((_, response) => response.end(answerFrom('app_acme', 3)))
    const outcome = await runLoad(service.target, short())
    expect(outcome.wrong).toBeGreaterThan(0)
    expect(outcome.wrongAnswers[0]).toEqual({
      tenant: 'globex',
      expected: 'app_globex',
      found: 'a row of app_acme',
    })
    expect(outcome.wrongAnswers.length).toBeLessThanOrEqual(10)
  })

  it('counts failures by their code and goes on', async () => {
    await using service = await startService((_, response) => {
      response.writeHead(503).end(JSON.stringify({ code: 'acquire_timeout' }))
    })
    const outcome = await runLoad(service.target, short({ maxRequests: 50 }))
    expect(outcome).toMatchObject({ answers: 0, errors: { acquire_timeout: 50 }, latency: { p99: 0 } })
  })

  it('counts requests that get no answer as timeouts, and ends all the same', async () => {
    await using service = await startService(() => undefined)
    const outcome = await runLoad(service.target, short({ timeoutMs: 50, maxRequests: 8 }))
    expect(outcome.errors).toEqual({ timeout: 8 })
  })

  it('does not hammer a target that refuses', async () => {
    const service = await startService(() => undefined)
    await service[Symbol.asyncDispose]()
    const outcome = await runLoad(service.target, short({ seconds: 0.3 }))
    expect(Object.keys(outcome.errors)).toEqual(['ECONNREFUSED'])
    expect(outcome.errors['ECONNREFUSED']).toBeLessThanOrEqual(4 * 7) // 4 workers, one try in 50 ms
  })

  it('sends no more requests than it may, warm-up included, and does not count that', async () => {
    let requests = 0
    await using service = await startService((request, response) => {
      requests++
      response.end(answerFrom(`app_${String(request.headers['x-tenant-id'])}`, 3))
    })
    let before = 0
    const hooks = { beforeMeasuring: async () => void (before = requests) }
    const outcome = await runLoad(
      service.target,
      short({ seconds: 60, warmupSeconds: 0.05, maxRequests: 3_000 }),
      hooks,
    )
    expect(requests).toBe(3_000)
    expect(before).toBeGreaterThan(0)
    expect(outcome.answers).toBe(3_000 - before)
  })

  it('ends when it is aborted', async () => {
    await using service = await startService((_, response) => response.end(answerFrom('app_acme', 3)))
    const abort = new AbortController()
    const hooks = {
      signal: abort.signal,
      beforeMeasuring: async () => void setImmediate(() => abort.abort()),
    }
    const outcome = await runLoad(service.target, short({ seconds: 60 }), hooks)
    expect(outcome.seconds).toBeLessThan(5)
  })
})

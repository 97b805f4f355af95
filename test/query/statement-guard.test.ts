import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CancelledError } from '../../src/errors.ts'
import { StatementGuard } from '../../src/query/statement-guard.ts'
import { type HttpWorld, startHttpWorld } from '../http/http-world.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'

let proxy: FaultProxy
let http: HttpWorld
beforeAll(async () => {
  proxy = await startFaultProxy(sharedPostgres())
  http = await startHttpWorld(['acme'], { world: { address: { host: '127.0.0.1', port: proxy.port } } })
})
afterAll(async () => {
  await http[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

const never = new AbortController().signal

describe('a guarded statement', () => {
  it('resolves when it ended in time, and one after the other may run', async () => {
    using lease = await http.world.lease('acme')
    using guard = new StatementGuard(lease, 5_000, never)
    expect((await guard.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
    expect((await guard.run({ text: 'select 2 as two' })).rows).toEqual([{ two: 2 }])
  })

  it('is not begun when the caller left before', async () => {
    using lease = await http.world.lease('acme')
    const reason = new CancelledError('gone')
    using guard = new StatementGuard(lease, 5_000, AbortSignal.abort(reason))
    await expect(guard.run({ text: "insert into notes values (700, 'acme', 'x')" })).rejects.toBe(reason)
    expect((await lease.run({ text: 'select 1 from notes where id = 700' })).rows).toEqual([])
  })

  it('ends with the reason of the caller, and the connection runs the next', async () => {
    using lease = await http.world.lease('acme')
    const controller = new AbortController()
    const reason = new CancelledError('gone')
    using guard = new StatementGuard(lease, 5_000, controller.signal)
    const running = guard.run({ text: 'select pg_sleep(20)' })
    controller.abort(reason)
    await expect(running).rejects.toBe(reason)
    expect((await lease.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
  })

  it('keeps the error that Postgres gave it, when that came first', async () => {
    using lease = await http.world.lease('acme')
    using guard = new StatementGuard(lease, 5_000, never)
    await expect(guard.run({ text: 'select 1/0' })).rejects.toMatchObject({ sqlstate: '22012' })
  })

  it('leaves no timer when it is over, whether it was cancelled or not', async () => {
    using lease = await http.world.lease('acme')
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    for (const signal of [never, AbortSignal.abort(new CancelledError('gone'))]) {
      using guard = new StatementGuard(lease, 5_000, signal)
      await guard.run({ text: 'select 1' }).catch(() => undefined)
    }
    // One of somebody else's may have ended meanwhile.
    expect(timers()).toBeLessThanOrEqual(before)
  })
})

describe('a server that falls silent', () => {
  it('has its statement answered as of unknown outcome, a second after the limit at most', async () => {
    const key = await http.tenantKey('acme')
    const ask = (timeoutMs: number) =>
      http.ask('/v1/query', { key, body: { sql: 'select pg_sleep(0.3), 1 as one', timeoutMs } })
    expect((await ask(5_000)).json.rows[0].one).toBe(1)
    const startedAt = performance.now()
    const answer = ask(600)
    await vi.waitFor(() => expect(http.world.router.stats().connections.leased).toBe(1))
    await proxy.setMode('black-hole')
    const { status, json } = await answer
    expect([status, json.code]).toEqual([502, 'outcome_unknown'])
    expect(performance.now() - startedAt).toBeLessThan(1_600)
    await proxy.setMode('pass')
    await vi.waitFor(async () => expect((await ask(5_000)).status).toBe(200), 10_000)
  })
})

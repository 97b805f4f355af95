import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import type { Connection, ConnectionTarget } from '../../src/connection/connection.ts'
import {
  CancelledError,
  ConnectionLostError,
  LeaseExpiredError,
  OutcomeUnknownError,
  ResultTooLargeError,
} from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { freeze } from '../support/freeze.ts'
import { failureOf, type PortUnderTest } from './port-under-test.ts'

export function describeEndings(port: PortUnderTest): void {
  describe('cleaned', () => {
    it.each(['application', 'foreign'] as const)('after %s SQL leaves nothing', async (trust) => {
      const own = await port.open()
      const plain = (text: string) => own.run({ text, prepare: false, multiple: true })
      const path = async () => (await own.run({ text: 'show search_path', prepare: false })).rows
      const before = await path()
      for (const dirt of [
        'set search_path = evil',
        'begin; create temp table t (n int)',
        'begin; select 1/0',
      ]) {
        await plain(dirt).catch(() => {})
        await own.clean(trust)
        expect([own.transaction, own.residue, await path()]).toEqual(['idle', 'none', before])
      }
    })

    it('is refused where its prepared statements were changed, or foreign SQL could plan some', async () => {
      const changed = await port.open()
      await changed.run({ text: 'deallocate all' })
      expect(changed.residue).toBe('unusable')
      expect(await failureOf(changed.clean('application'))).toBeInstanceOf(ConnectionLostError)
      const named = await port.open()
      await named.run({ text: 'select 1' })
      expect(await failureOf(named.clean('foreign'))).toBeInstanceOf(ConnectionLostError)
    })
  })

  describe('cancelled', () => {
    it('ends its statement, with the reason that it is given, and goes on', async () => {
      const over = new LeaseExpiredError('over')
      for (const [reason, expected] of [
        [undefined, expect.any(CancelledError)],
        [over, over],
      ]) {
        const running = failureOf(port.run('select pg_sleep(30)'))
        await port.isAsleep(port.shared)
        await port.shared.cancel(reason)
        const end = await running
        expect(end).toEqual(expected)
        expect((await port.run('select 1 as n')).rows).toEqual([{ n: 1 }])
      }
    })

    it('while idle does nothing', async () => {
      await port.shared.cancel()
      expect((await port.run('select 1 as n')).rows).toEqual([{ n: 1 }])
    })

    it('late hits nothing that comes after: 60 rounds at the moment the statement ends', async () => {
      for (let round = 0; round < 60; round++) {
        const first = failureOf(port.run('select pg_sleep(0.004)'))
        await new Promise((resolve) => setTimeout(resolve, round % 6))
        const cancelling = port.shared.cancel()
        await first
        expect(await failureOf(port.run('select pg_sleep(0.001)'))).toBe('answered')
        await cancelling
      }
    })

    it('in vain loses its connection in bounded time', async () => {
      await using proxy = await startFaultProxy({
        host: port.ground.target.host,
        port: port.ground.target.port,
      })
      const own = await port.open({ port: proxy.port })
      const running = failureOf(own.run({ text: 'select pg_sleep(30)' }))
      await port.isAsleep(own)
      await proxy.setMode('black-hole')
      const start = performance.now()
      await own.cancel()
      expect(await running).toBeInstanceOf(OutcomeUnknownError)
      expect(performance.now() - start).toBeLessThan(4_000)
      expect([own.isOpen, own.mayLiveOn]).toEqual([false, true])
      await proxy.setMode('pass')
    })
  })

  describe('with a cap', () => {
    it('ends an answer of too many bytes, and goes on', async () => {
      const text = "select repeat('x', 1000) as t from generate_series(1, 5000)"
      const error = await failureOf(port.shared.run({ text, maxBytes: 100_000 }))
      expect(error).toBeInstanceOf(ResultTooLargeError)
      expect((await port.run('select 1 as n')).rows).toEqual([{ n: 1 }])
    })

    it('ends at a single value that is too large, with its connection', async () => {
      const own = await port.open()
      const text = "select repeat('x', 300000) as t"
      expect(await failureOf(own.run({ text, maxBytes: 100_000 }))).toBeInstanceOf(ResultTooLargeError)
      await own.closed
    })
  })

  describe('lost', () => {
    it('under a statement says that its outcome is unknown', async () => {
      const own = await port.open()
      await own.run({ text: 'begin' })
      const error = await failureOf(own.run({ text: 'select pg_terminate_backend(pg_backend_pid())' }))
      expect(error).toBeInstanceOf(OutcomeUnknownError)
      expect((error as Error).message).toContain('57P01')
      expect([own.isOpen, own.mayLiveOn]).toEqual([false, false])
      expect(await failureOf(own.run({ text: 'commit' }))).toBeInstanceOf(ConnectionLostError)
    })

    it('while idle is seen, and nothing is sent any more', async () => {
      const own = await port.open()
      await port.ground.terminate(own.pid)
      await own.closed
      expect([own.isOpen, own.mayLiveOn]).toEqual([false, false])
      expect(await failureOf(own.run({ text: 'select 1' }))).toBeInstanceOf(ConnectionLostError)
      expect(await failureOf(own.clean('application'))).toBeInstanceOf(ConnectionLostError)
      await own.close()
    })

    it('by destroy() says so at once, and that its backend may live on', async () => {
      const own = await port.open()
      const running = failureOf(own.run({ text: 'select pg_sleep(30)' }))
      await port.isAsleep(own)
      const cause = new Error('the lease is over')
      own.destroy(cause)
      const error = await running
      expect(error).toBeInstanceOf(OutcomeUnknownError)
      expect((error as Error).cause).toBe(cause)
      expect(own.mayLiveOn).toBe(true)
      await own.closed
      await port.ground.terminate(own.pid)
    })

    it('while idle by destroy(), or by a goodbye that nobody answers, may leave its backend', async () => {
      const silenced = await port.open()
      freeze(silenced.pid)
      try {
        const start = performance.now()
        await silenced.close()
        expect(performance.now() - start).toBeLessThan(2_000)
        expect([silenced.isOpen, silenced.mayLiveOn]).toEqual([false, true])
      } finally {
        process.kill(silenced.pid, 'SIGCONT')
      }
      const destroyed = await port.open()
      destroyed.destroy(new Error('not needed'))
      await destroyed.closed
      expect(destroyed.mayLiveOn).toBe(true)
    })

    it('while idle leaves no backend by a reset, and may leave one where its peer is silent', async () => {
      for (const [code, mayLiveOn] of [
        ['ECONNRESET', false],
        ['ETIMEDOUT', true],
      ] as const) {
        const own = await openWithSocket(port)
        // As Node ends a socket: there is no other way to a keep-alive that times out on loopback.
        own.socket.destroy(Object.assign(new Error(`read ${code}`), { code }))
        await own.connection.closed
        expect([own.connection.isOpen, own.connection.mayLiveOn]).toEqual([false, mayLiveOn])
      }
    })

    it('by a reset under an answer fails its one statement', async () => {
      await using proxy = await startFaultProxy({
        host: port.ground.target.host,
        port: port.ground.target.port,
      })
      const own = await port.open({ port: proxy.port })
      const running = failureOf(
        own.run({
          text: 'select repeat(md5(g::text), 100), pg_sleep(0.01) from generate_series(1, 500) g',
        }),
      )
      await vi.waitFor(() => expect(own.isBusy).toBe(true))
      await new Promise((resolve) => setTimeout(resolve, 50))
      await proxy.setMode('reset')
      expect(await running).toBeInstanceOf(OutcomeUnknownError)
      await own.closed
      expect(own.isBusy).toBe(false)
    })
  })

  it('closed, says goodbye: its session is gone', async () => {
    const own = await port.open()
    await own.run({ text: 'select 1' })
    await own.close()
    await own.closed
    await own.close()
    expect([own.isOpen, own.mayLiveOn]).toEqual([false, false])
    const text = 'select 1 from pg_stat_activity where pid = $1'
    await vi.waitFor(async () => expect(await port.ground.server.query(text, [own.pid])).toEqual([]), {
      timeout: 10_000,
    })
  })

  describe('not opened', () => {
    it('says why', async () => {
      const attempt = (changes: Partial<ConnectionTarget>) => failureOf(port.open(changes))
      expect(await attempt({ password: new Secret('wrong') })).toMatchObject({
        code: 'login_failed',
        sqlstate: '28P01',
      })
      expect(await attempt({ database: 'not_there' })).toMatchObject({ sqlstate: '3D000' })
      expect(await attempt({ port: 1 })).toMatchObject({ code: 'server_unavailable' })
      expect(await attempt({ password: undefined })).toMatchObject({ code: 'login_failed' })
    })

    it('in time gives up, and leaves no session', async () => {
      await using proxy = await startFaultProxy({
        host: port.ground.target.host,
        port: port.ground.target.port,
      })
      await proxy.setMode('black-hole')
      const target = { ...port.ground.target, port: proxy.port }
      expect(await failureOf(port.connect(target, { connectTimeoutMs: 200 }))).toMatchObject({
        code: 'server_unavailable',
      })
      const controller = new AbortController()
      const aborted = failureOf(port.connect(target, { connectTimeoutMs: 5_000, signal: controller.signal }))
      controller.abort()
      expect(await aborted).toBeInstanceOf(CancelledError)
    })
  })
}

/** A connection, and the socket that it was opened over. */
async function openWithSocket(port: PortUnderTest): Promise<{ connection: Connection; socket: Socket }> {
  let socket: Socket | undefined
  // Parse boundary: what Node publishes for each socket that connects.
  const onSocket = (message: unknown) => {
    socket = (message as { socket: Socket }).socket
  }
  subscribe('net.client.socket', onSocket)
  try {
    const connection = await port.open()
    if (!socket) throw new Error('no socket was opened')
    return { connection, socket }
  } finally {
    unsubscribe('net.client.socket', onSocket)
  }
}

import { describe, expect, it, vi } from 'vitest'
import { startWorld } from '../support/world.ts'

describe('a connection destroyed under a statement', () => {
  it('frees its caller within a second of the deadline, and its permit only once the backend has gone', async () => {
    await using world = await startWorld(['acme', 'globex'], { serverBudget: 1 })
    const lease = await world.lease('acme', { leaseTimeoutMs: 200 })
    const { pid } = lease.connection
    const startedAt = performance.now()
    const running = lease.run({ text: 'select pg_sleep(30)' })
    await vi.waitFor(() => expect(lease.connection.isBusy).toBe(true))
    process.kill(pid, 'SIGSTOP') // a backend that hears no cancel
    try {
      await expect(running).rejects.toMatchObject({ code: 'lease_expired' })
      expect(performance.now() - startedAt).toBeLessThan(1_200)
      await vi.waitFor(() => expect(world.router.stats().connections.quarantined).toBe(1))
      const other = world.lease('globex', { acquireTimeoutMs: 300 })
      await expect(other).rejects.toMatchObject({ code: 'acquire_timeout' })
      expect(world.router.stats().connections.out).toBe(1)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    using next = await world.lease('globex')
    expect((await next.run({ text: 'select distinct tenant from notes' })).rows).toEqual([
      { tenant: 'globex' },
    ])
    expect(world.router.stats().connections).toMatchObject({ quarantined: 0, out: 1 })
  })

  it('by the server itself gives its permit back at once', async () => {
    await using world = await startWorld(['acme'])
    const lease = await world.lease('acme')
    const running = lease.run({ text: 'select pg_terminate_backend(pg_backend_pid())' })
    await expect(running).rejects.toMatchObject({ code: 'outcome_unknown' })
    await vi.waitFor(() => expect(world.router.stats().connections.out).toBe(0))
    lease.release()
    expect(world.router.stats().pools).toEqual([])
  })
})

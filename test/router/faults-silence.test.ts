import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { serverRecord } from '../registry/records.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { freePort } from '../support/free-port.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startWorld, type World } from '../support/world.ts'
import { audit } from '../support/world-records.ts'
import { codesOf, forMs, hammer, outcome, ownRows } from './fault-ground.ts'

const LISTEN = `require('node:net').createServer().listen({ port: +process.argv[1], host: '127.0.0.1', backlog: 1 },
  () => process.stdout.write('up'))`

/** A port whose owner is stopped: the kernel takes two connections, which nobody answers, and drops all others. */
async function startHole(): Promise<{ host: string; port: number } & Disposable> {
  const port = await freePort()
  const child = spawn(process.execPath, ['-e', LISTEN, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  return { host: '127.0.0.1', port, [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** Puts a tenant on a server of its own, behind the proxy. */
async function moveBehind(world: World, tenant: string, proxy: FaultProxy): Promise<void> {
  const endpoints = [{ role: 'primary' as const, host: proxy.host, port: proxy.port }]
  const put = { kind: 'server' as const, id: 'slow', record: serverRecord('slow', { endpoints }) }
  await world.registry.commit({ puts: [put], audit: audit('slow') }, [
    { kind: 'server', id: 'slow', revision: 0 },
  ])
  await world.change(tenant, (record) => ({
    ...record,
    epoch: 2,
    route: { ...record.route, server: 'slow' },
  }))
}

describe('a server into which new connections vanish', () => {
  it('fails every caller by its deadline, not one after the other, and once that is known at once', async () => {
    using hole = await startHole()
    const lodgers = Array.from({ length: 11 }, (_, i) => `lodger-${i}`)
    const times = { connectTimeoutMs: 700, acquireTimeoutMs: 1_500 }
    await using world = await startWorld(['acme'], { lodgers, address: hole, ...times })
    const tenants = ['acme', ...lodgers]
    const waits = [...tenants, ...tenants, ...tenants].map((tenant) => outcome(world.lease(tenant)))
    const outcomes = await Promise.all(waits)
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(2_500)
    expect(codesOf(outcomes)).toEqual(['circuit_open', 'server_unavailable'])
    expect(world.router.stats().waiters).toBe(0)
    const later = await outcome(world.lease('lodger-1'))
    expect(later.code).toBe('circuit_open')
    expect(later.tookMs).toBeLessThan(500)
  })
})

describe('a server that is slow', () => {
  it('fills the line of its own tenant, whose last are shed; tenants elsewhere are served as ever', async () => {
    await using proxy = await startFaultProxy(sharedPostgres())
    await using world = await startWorld(['acme', 'globex'], { maxWaiters: 10, maxConnectionsPerTenant: 2 })
    await moveBehind(world, 'globex', proxy)
    await vi.waitFor(async () => {
      await ownRows(world, 'globex')
      expect(world.router.stats().pools).toEqual([expect.objectContaining({ server: 'slow' })])
    })
    await proxy.setMode('slow', { latencyMs: 250 })
    const [slow, others] = await Promise.all([
      hammer(40, () => ownRows(world, 'globex'), forMs(1_500)),
      hammer(2, () => ownRows(world, 'acme'), forMs(1_500)),
    ])
    expect(codesOf(slow)).toEqual(['ok', 'too_many_waiters'])
    expect(codesOf(others)).toEqual(['ok'])
    expect(others.length).toBeGreaterThan(20)
    expect(world.router.stats().servers.map(({ breaker }) => breaker)).toEqual(['closed', 'closed'])
  })
})

describe('a tenant that floods its server', () => {
  it('waits for itself: others on the same server are served without error', async () => {
    await using world = await startWorld(['acme', 'globex', 'initech'], {
      serverBudget: 8,
      maxConnectionsPerTenant: 4,
      acquireTimeoutMs: 1_000,
    })
    const flood = async () => {
      using lease = await world.lease('acme')
      await lease.run({ text: 'select pg_sleep(0.3)' })
    }
    const [flooding, others] = await Promise.all([
      hammer(60, flood, forMs(1_500)),
      hammer(4, (n) => ownRows(world, n % 2 ? 'globex' : 'initech'), forMs(1_500)),
    ])
    expect(codesOf(flooding).filter((code) => code !== 'ok' && code !== 'acquire_timeout')).toEqual([])
    expect(codesOf(others)).toEqual(['ok'])
    expect(others.length).toBeGreaterThan(20)
  })
})

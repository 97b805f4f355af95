import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { type PostgresServer, sharedPostgres } from '../support/postgres.ts'
import { startWorld } from '../support/world.ts'
import { codesOf, outcome } from './fault-ground.ts'
import { describeFloodingTenant } from './faults/flooding-tenant.ts'
import { describeSlowServer } from './faults/slow-server.ts'

const FORWARD = `const net = require('node:net'), [port, to, host] = process.argv.slice(1)
  net.createServer((client) => {
    const server = net.connect(+to, host)
    for (const socket of [client, server]) socket.on('error', () => { client.destroy(); server.destroy() })
    client.pipe(server).pipe(client)
  }).listen({ port: +port, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write('up'))`

interface Hole extends Disposable {
  readonly host: string
  readonly port: number
  /** From here it leads to the server. */
  end(): void
}

/** A port whose owner is stopped: the kernel takes two connections, which nobody answers, and drops all others. */
async function startHole(server: PostgresServer): Promise<Hole> {
  const port = await freePort()
  const args = ['-e', FORWARD, String(port), String(server.port), server.host]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  return {
    host: '127.0.0.1',
    port,
    end: () => void child.kill('SIGCONT'),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

describe('a server into which new connections vanish', () => {
  it('fails every caller by its deadline, not one after the other, and once that is known at once; then serves all within 5 s', async () => {
    using hole = await startHole(sharedPostgres())
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
    hole.end()
    const serve = async (tenant: string) => {
      using lease = await world.lease(tenant)
      await lease.run({ text: 'select 1' })
    }
    const servedAgain = { timeout: 5_000, interval: 20 }
    await Promise.all(tenants.map((tenant) => vi.waitFor(() => serve(tenant), servedAgain)))
  })
})

describeSlowServer({ ms: 1_500 })

describe('a tenant that floods its server', () => {
  describeFloodingTenant({ ms: 1_500 })
})

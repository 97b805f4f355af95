import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '../../src/demo/free-port.ts'
import type { Address, Ground } from '../ground/ground.ts'
import { nodeArguments } from '../process/run-program.ts'
import { startProcess } from '../process/start-process.ts'

/** What lies between contestants and Postgres. */
export interface Delay extends AsyncDisposable {
  readonly address: Address
  readonly pids: readonly number[]
  /** Milliseconds that a statement takes longer through it, the median of many. */
  readonly addedMs: number
}

const PROXY = new URL('./delay-proxy.ts', import.meta.url)
const ROUND_TRIPS = 100

/** With 0 nothing: contestants reach Postgres directly. */
export async function startDelay(
  ground: Pick<Ground, 'address' | 'adminDsn'>,
  latencyMs: number,
  folder: string,
): Promise<Delay> {
  if (latencyMs === 0)
    return { address: ground.address, pids: [], addedMs: 0, [Symbol.asyncDispose]: async () => {} }
  const proxy = await startProxy(ground.address, latencyMs, folder)
  const dsn = new URL(ground.adminDsn())
  const direct = await roundTripMs(dsn.href)
  dsn.port = String(proxy.address.port)
  return { ...proxy, addedMs: (await roundTripMs(dsn.href)) - direct }
}

/** In front of anything that listens. */
export async function startProxy(
  target: Address,
  latencyMs: number,
  folder: string,
): Promise<Omit<Delay, 'addedMs'>> {
  const address = { host: '127.0.0.1', port: await freePort() }
  const where = [String(address.port), `${target.host}:${target.port}`, String(latencyMs)]
  const running = await startProcess({
    command: [...nodeArguments(PROXY), ...where],
    listensAt: address,
    logPath: join(folder, 'delay.log'),
  })
  return { address, pids: [running.pid], [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

async function roundTripMs(dsn: string): Promise<number> {
  const client = new pg.Client(dsn)
  await client.connect()
  try {
    const times: number[] = []
    for (let i = 0; i < ROUND_TRIPS; i++) {
      const started = performance.now()
      await client.query('select 1')
      times.push(performance.now() - started)
      await sleep(Math.random() * 2) // not in step with the proxy's clock
    }
    return times.toSorted((a, b) => a - b)[ROUND_TRIPS / 2] ?? 0
  } finally {
    await client.end()
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import type { FaultMode, FaultProxy } from '../../support/fault-proxy.ts'
import type { OwnPostgresServer } from '../../support/postgres.ts'
import type { World } from '../../support/world.ts'

export interface Ground {
  readonly world: World
  readonly server: OwnPostgresServer
  readonly proxy: FaultProxy
}

/** Breaks something, and resolves once it has healed. */
export type Fault = (ground: Ground) => Promise<void>

const network = (mode: FaultMode, ms: number): Fault => {
  return async ({ proxy }) => {
    await proxy.setMode(mode, { latencyMs: 30 })
    await delay(ms)
    await proxy.setMode('pass')
  }
}

/** As the kernel does where memory is short: the server ends every session and recovers. */
const killOneBackend: Fault = async ({ world, server }) => {
  const databases = [...world.places.values()].map(({ database }) => database)
  const rows = await server.query<{ pid: number }>(
    'select pid from pg_stat_activity where datname = any($1) order by random()',
    [databases],
  )
  if (rows.some(({ pid }) => isKilled(pid))) await answersAgain(server)
}

/** @returns false for a backend that has ended by itself since it was seen. */
function isKilled(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

const terminateSome: Fault = async ({ world, server }) => {
  const databases = [...world.places.values()].map(({ database }) => database)
  await server.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = any($1) and random() < 0.5',
    [databases],
  )
}

const restart: Fault = async ({ server }) => {
  await server.restart()
}

const rotate: Fault = async ({ world }) => {
  for (const tenant of world.places.keys()) {
    await world.change(tenant, (record) => ({ ...record, epoch: record.epoch + 1 }))
  }
}

const evict: Fault = async ({ world }) => {
  for (const tenant of world.places.keys()) world.router.evict(tenant)
}

export const FAULTS: ReadonlyMap<string, Fault> = new Map([
  ['black hole', network('black-hole', 700)],
  ['half open', network('half-open', 500)],
  ['reset', network('reset', 200)],
  ['accept and close', network('accept-close', 300)],
  ['refused', network('refuse', 300)],
  ['slow', network('slow', 500)],
  ['backends terminated', terminateSome],
  ['backend killed', killOneBackend],
  ['restart', restart],
  ['rotation', rotate],
  ['eviction', evict],
])

async function answersAgain(server: OwnPostgresServer): Promise<void> {
  for (;;) {
    try {
      await server.query('select 1')
      return
    } catch {
      await delay(20)
    }
  }
}

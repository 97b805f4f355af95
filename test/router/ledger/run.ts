import { setTimeout as delay } from 'node:timers/promises'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { startPostgres } from '../../support/postgres.ts'
import { unhandledIn } from '../../support/unhandled.ts'
import { startWorld, type World } from '../../support/world.ts'
import { FAULTS, type Fault, type Ground } from './faults.ts'
import { Journal } from './journal.ts'

const TENANTS = ['acme', 'globex', 'initech', 'umbrella', 'hooli', 'stark']
const WRITERS = 12
const ACQUIRE_MS = 1_500
const LEASE_MS = 2_000
/** What a write may take at most, by its two deadlines. */
export const DEADLINE_MS = ACQUIRE_MS + LEASE_MS

export interface LedgerRun {
  readonly journal: Journal
  /** Where the tables do not hold what the journal says. */
  readonly faults: readonly string[]
  /** Milliseconds after a fault had healed until every tenant was served; by fault, the longest. */
  readonly healedMs: ReadonlyMap<string, number>
  readonly faultsMade: number
  readonly unhandled: readonly unknown[]
}

type Write = (world: World, tenant: string, id: string) => Promise<unknown>

const WRITES: readonly Write[] = [
  async (world, tenant, id) => {
    using lease = await world.lease(tenant)
    await lease.run({ text: 'insert into ledger (id) values ($1)', params: [id] })
  },
  (world, tenant, id) => world.router.sql(tenant)`insert into ledger (id) values (${id})`,
  (world, tenant, id) =>
    world.router.transaction(tenant, {}, async (sql) => {
      await sql`select pg_sleep(0.005)`
      await sql`insert into ledger (id) values (${id})`
    }),
  async (world, tenant, id) => {
    using lease = await world.lease(tenant, { trust: 'foreign' })
    await lease.run({ text: 'insert into ledger (id) values ($1)', params: [id] })
  },
]

/** Clients write and keep what they are told, while one fault after the other comes and heals. */
export async function runLedger(faults: readonly string[]): Promise<LedgerRun> {
  await using server = await startPostgres({ settings: { restart_after_crash: 'on' } })
  await using proxy = await startFaultProxy(server)
  await using world = await startWorld(TENANTS, {
    server,
    address: proxy,
    maxConnections: 8,
    acquireTimeoutMs: ACQUIRE_MS,
    leaseTimeoutMs: LEASE_MS,
    statementTimeoutMs: LEASE_MS,
    connectTimeoutMs: 1_000,
  })
  for (const tenant of TENANTS) {
    // Without a key: what is applied twice is there twice.
    await world.execute(tenant, 'create table ledger (id text not null); grant all on ledger to public')
  }
  const journal = new Journal()
  const healedMs = new Map<string, number>()
  const unhandled = await unhandledIn(async () => {
    const stop = new AbortController()
    const writing = Array.from({ length: WRITERS }, () => writeUntil(stop.signal, world, journal))
    for (const name of faults) {
      const ms = await comeAndHeal({ world, server, proxy }, FAULTS.get(name))
      healedMs.set(name, Math.max(ms, healedMs.get(name) ?? 0))
    }
    stop.abort()
    await Promise.all(writing)
  })
  const found = await Promise.all(
    TENANTS.map(async (tenant) => journal.faults(tenant, await tableOf(world, tenant))),
  )
  return { journal, faults: found.flat(), healedMs, faultsMade: faults.length, unhandled }
}

async function writeUntil(signal: AbortSignal, world: World, journal: Journal): Promise<void> {
  while (!signal.aborted) {
    const tenant = any(TENANTS)
    const id = journal.next()
    await journal.keep(tenant, id, any(WRITES)(world, tenant, id))
    // Where all is refused at once, nothing else would have its turn.
    await delay(2)
  }
}

/** @returns milliseconds until every tenant was served again. */
async function comeAndHeal(ground: Ground, fault: Fault | undefined): Promise<number> {
  if (!fault) throw new Error('there is no such fault')
  await delay(100)
  await fault(ground)
  const healedAt = performance.now()
  await Promise.all(TENANTS.map((tenant) => untilServed(ground.world, tenant)))
  return Math.round(performance.now() - healedAt)
}

async function untilServed(world: World, tenant: string): Promise<void> {
  for (;;) {
    try {
      using lease = await world.lease(tenant)
      await lease.run({ text: 'select 1' })
      return
    } catch {
      await delay(20)
    }
  }
}

async function tableOf(world: World, tenant: string): Promise<ReadonlyMap<string, number>> {
  const { database } = world.placeOf(tenant)
  const rows = await world.server.query<{ id: string; times: number }>(
    'select id, count(*)::int as times from ledger group by id',
    [],
    database,
  )
  return new Map(rows.map(({ id, times }) => [id, times]))
}

function any<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T // it is never empty
}

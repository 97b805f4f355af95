import { setTimeout as delay } from 'node:timers/promises'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { heapUsed } from '../../support/heap.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type Resources, resourcesOfAWorld, resourcesSettledTo } from '../../support/resources.ts'
import { unhandledIn } from '../../support/unhandled.ts'
import { startWorld, type World } from '../../support/world.ts'
import { settle } from '../settle.ts'
import { FAULTS, type Ground } from './faults.ts'
import { type Account, Journal } from './journal.ts'

const TENANTS = ['acme', 'globex', 'initech', 'umbrella', 'hooli', 'stark']
const WRITERS = 12
const ACQUIRE_MS = 1_500
const LEASE_MS = 2_000
const NEVER_MS = 60_000
/** What a write may take at most, by its two deadlines. */
export const DEADLINE_MS = ACQUIRE_MS + LEASE_MS

/** Milliseconds after a fault had healed until one tenant was served. */
export interface Healing {
  readonly fault: string
  readonly ms: number
}

export interface LedgerRun {
  readonly account: Account
  /** One for each fault and tenant. */
  readonly healings: readonly Healing[]
  readonly unhandled: readonly unknown[]
  /** What keeps the process alive, before and after. */
  readonly resources: { readonly before: Resources; readonly after: Resources }
  /** Bytes of heap from after the warm-up to the end. */
  readonly grownBytes: number
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

/**
 * Clients write and keep what they are told, while one fault after the other comes and heals.
 * @param warmUp come before, in the same way; what is loaded and cached once is then no growth.
 */
export async function runLedger(faults: readonly string[], warmUp: readonly string[]): Promise<LedgerRun> {
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
  const ground = { world, server, proxy }
  const healings: Healing[] = []
  let account: Account | undefined
  const before = await resourcesOfAWorld()
  let heap = 0
  const unhandled = await unhandledIn(async () => {
    await keepAccount(ground, warmUp, [])
    await settle(world)
    heap = heapUsed()
    account = await keepAccount(ground, faults, healings)
    await settle(world)
  })
  // Its own sockets would count.
  await proxy.close()
  const after = await resourcesSettledTo(before)
  const grownBytes = heapUsed() - heap
  if (!account) throw new Error('there is no account', { cause: unhandled })
  return { account, healings, unhandled, resources: { before, after }, grownBytes }
}

async function keepAccount(ground: Ground, faults: readonly string[], healings: Healing[]): Promise<Account> {
  const { world } = ground
  for (const tenant of TENANTS) {
    // Without a key: what is applied twice is there twice.
    await world.execute(
      tenant,
      'drop table if exists ledger; create table ledger (id text not null); grant all on ledger to public',
    )
  }
  const journal = new Journal()
  const stop = new AbortController()
  const writing = Array.from({ length: WRITERS }, () => writeUntil(stop.signal, world, journal))
  for (const fault of faults) healings.push(...(await comeAndHeal(ground, fault)))
  stop.abort()
  await Promise.all(writing)
  const tables = TENANTS.map(async (tenant) => [tenant, await tableOf(world, tenant)] as const)
  return journal.compare(new Map(await Promise.all(tables)))
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

async function comeAndHeal(ground: Ground, name: string): Promise<Healing[]> {
  const fault = FAULTS.get(name)
  if (!fault) throw new Error(`there is no fault ${name}`)
  await delay(100)
  await fault(ground)
  const healedAt = performance.now()
  return Promise.all(
    TENANTS.map(async (tenant) => {
      await untilServed(ground.world, tenant)
      return { fault: name, ms: performance.now() - healedAt }
    }),
  )
}

/** @throws what it was told last, where it is never served. */
async function untilServed(world: World, tenant: string): Promise<void> {
  const until = performance.now() + NEVER_MS
  for (;;) {
    try {
      using lease = await world.lease(tenant)
      await lease.run({ text: 'select 1' })
      return
    } catch (error) {
      if (performance.now() > until) throw error
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

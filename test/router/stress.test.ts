import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { expect, it } from 'vitest'
import { startWorld, type World } from '../support/world.ts'
import { anyWork, Tally } from './stress-work.ts'

const BUDGET = 8
const WORKERS = 32
const SAMPLE_MS = 5
const LEASES = 20_000
const TENANTS = Array.from({ length: 24 }, (_, i) => `tenant-${i + 1}`)

/** The most sessions that the server ever had of this world, looked at all the time by a session of its own. */
class SessionWatch {
  readonly #client: pg.Client
  readonly #names: string[]
  #isOver = false
  most = 0
  samples = 0

  constructor(client: pg.Client, world: World) {
    this.#client = client
    this.#names = [...world.places.values()].map(({ database }) => database)
  }

  async watch(): Promise<void> {
    while (!this.#isOver) {
      const { rows } = await this.#client.query(
        'select count(*)::int as count from pg_stat_activity where datname = any($1)',
        [this.#names],
      )
      this.most = Math.max(this.most, rows[0]?.count)
      this.samples++
      await delay(SAMPLE_MS)
    }
    await this.#client.end()
  }

  end(): void {
    this.#isOver = true
  }
}

/** Zipf: the first is asked for 24 times as often as the last. */
function anyTenant(): string {
  const at = Math.exp(Math.random() * Math.log(TENANTS.length + 1))
  return TENANTS[Math.min(Math.floor(at) - 1, TENANTS.length - 1)] ?? 'tenant-1'
}

async function work(world: World, tally: Tally): Promise<void> {
  while (tally.leases < LEASES) {
    tally.leases++
    await anyWork()(world, anyTenant(), tally)
  }
}

async function committedIn(world: World, tenant: string): Promise<number> {
  const rows = await world.server.query<{ own: number; other: number }>(
    'select count(*) filter (where tenant = $1)::int as own, count(*) filter (where tenant <> $1)::int as other from ledger',
    [tenant],
    world.placeOf(tenant).database,
  )
  expect(rows[0]?.other).toBe(0)
  return rows[0]?.own ?? 0
}

it('answers 20,000 mixed leases of 24 tenants by 32 workers, each with its own rows, whole, on 8 connections', async () => {
  await using world = await startWorld(TENANTS, {
    maxConnections: BUDGET,
    serverBudget: BUDGET,
    acquireTimeoutMs: 30_000,
  })
  for (const tenant of TENANTS) {
    await world.execute(
      tenant,
      'create table ledger (n int primary key, tenant text); grant all on ledger to public',
    )
  }
  const tally = new Tally()
  const watch = new SessionWatch(await world.server.connect(), world)
  const watching = watch.watch()

  await Promise.all(Array.from({ length: WORKERS }, () => work(world, tally)))
  watch.end()
  await watching

  expect(watch.samples).toBeGreaterThan(100)
  expect(watch.most).toBeLessThanOrEqual(BUDGET)
  expect(watch.most).toBeGreaterThan(BUDGET / 2)
  expect(tally.aborted).toBeGreaterThan(0)
  await world.router.close()
  expect(await world.sessions()).toBe(0)
  expect(world.router.stats()).toMatchObject({ connections: { out: 0 }, waiters: 0, pools: [] })
  for (const tenant of TENANTS) {
    expect(await committedIn(world, tenant)).toBe(tally.committed.get(tenant) ?? 0)
  }
}, 300_000)

import { setImmediate as nextTurn } from 'node:timers/promises'
import { CancelledError, SqlError, TenantryError } from '../../src/errors.ts'
import type { Lease } from '../../src/router/lease.ts'
import type { World } from '../support/world.ts'

/** What a worker does with one lease. Throws when an answer is not the tenant's own, whole. */
export type Work = (world: World, tenant: string, tally: Tally) => Promise<void>

/** What happened, for comparing with what the databases hold afterwards. */
export class Tally {
  leases = 0
  aborted = 0
  readonly committed = new Map<string, number>()
  readonly byKind = new Map<string, number>()
  #number = 0

  commit(tenant: string): void {
    this.committed.set(tenant, (this.committed.get(tenant) ?? 0) + 1)
  }

  /** Unique in the run. */
  next(): number {
    return ++this.#number
  }
}

/** All 20 rows with their bodies, and nobody else's. */
async function readWhole(lease: Lease, tenant: string): Promise<void> {
  const rows = await lease.sql`select id, tenant, body from notes order by id`
  if (rows.length !== 20) throw new Error(`${tenant} read ${rows.length} rows, not 20`)
  for (const [index, row] of rows.entries()) {
    const isOwn = row.id === index + 1 && row.tenant === tenant && row.body === `${tenant} `.repeat(index + 1)
    if (!isOwn) throw new Error(`${tenant} read at row ${index}: ${JSON.stringify(row)}`)
  }
}

async function query(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  await readWhole(lease, tenant)
}

async function foreign(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant, { trust: 'foreign' })
  const { rows } = await lease.run({ text: 'select tenant, $1::int as n from notes limit 3', params: [7] })
  if (JSON.stringify(rows) !== JSON.stringify(Array(3).fill({ tenant, n: 7 }))) {
    throw new Error(`${tenant} read as foreign ${JSON.stringify(rows)}`)
  }
}

/** Rows come first, then the error: what the driver counted must not reach the next answer. */
async function failure(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  const text = 'select repeat($1, 100), 10 / (900 - n) from generate_series(1, 1000) n'
  await expectCode(lease.run({ text, params: [tenant] }), '22012')
  await readWhole(lease, tenant)
}

async function commit(world: World, tenant: string, tally: Tally): Promise<void> {
  const n = tally.next()
  await world.router.transaction(tenant, {}, async (sql) => {
    await sql`insert into ledger (n, tenant) values (${n}, ${tenant})`
    const [row] = await sql`select tenant from ledger where n = ${n}`
    if (row?.tenant !== tenant) throw new Error(`${tenant} sees ${JSON.stringify(row)} in its transaction`)
  })
  tally.commit(tenant)
}

async function rollback(world: World, tenant: string, tally: Tally): Promise<void> {
  const change = world.router.transaction(tenant, {}, async (sql) => {
    await sql`insert into ledger (n, tenant) values (${tally.next()}, ${tenant})`
    throw new CancelledError('changed my mind')
  })
  await expectCode(change, 'cancelled')
}

/** Gives the connection back in the middle of a transaction. */
async function leaveOpen(world: World, tenant: string, tally: Tally): Promise<void> {
  using lease = await world.lease(tenant)
  await lease.run({ text: 'begin' })
  await lease.run({ text: 'insert into ledger (n, tenant) values ($1, $2)', params: [tally.next(), tenant] })
}

async function abort(world: World, tenant: string, tally: Tally): Promise<void> {
  const signal = AbortSignal.timeout(Math.floor(Math.random() * 4))
  try {
    using lease = await world.lease(tenant, { signal })
    await readWhole(lease, tenant)
  } catch (error) {
    if (!(error instanceof TenantryError && error.code === 'cancelled')) throw error
    tally.aborted++
  }
}

async function cancel(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  const asleep = lease.run({ text: 'select n, pg_sleep(0.02) from generate_series(1, 500) n' })
  let hasEnded = false
  const ended = expectCode(asleep, '57014', 'cancelled').finally(() => {
    hasEnded = true
  })
  // A request to cancel that comes before the statement does nothing.
  while (!hasEnded) await Promise.all([lease.cancel(), nextTurn()])
  await ended
  await readWhole(lease, tenant)
}

/** Nobody waits for the answer any more. */
async function leaveRunning(world: World, tenant: string): Promise<void> {
  const lease = await world.lease(tenant)
  const running = lease.run({ text: 'select n, pg_sleep(0.02) from generate_series(1, 500) n' })
  while (!lease.connection.isBusy) await nextTurn()
  lease.release()
  await running.catch((error: unknown) => {
    if (!(error instanceof TenantryError)) throw error
  })
}

const WEIGHTED: readonly (readonly [number, Work])[] = [
  [52, query],
  [10, foreign],
  [10, failure],
  [10, commit],
  [5, rollback],
  [4, leaveOpen],
  [6, abort],
  [2, cancel],
  [1, leaveRunning],
]
const TOTAL = WEIGHTED.reduce((sum, [weight]) => sum + weight, 0)

export function anyWork(): Work {
  let at = Math.random() * TOTAL
  for (const [weight, work] of WEIGHTED) {
    at -= weight
    if (at < 0) return work
  }
  return query
}

async function expectCode(outcome: Promise<unknown>, ...codes: string[]): Promise<void> {
  try {
    await outcome
  } catch (error) {
    const code = error instanceof SqlError ? error.sqlstate : error instanceof TenantryError ? error.code : ''
    if (codes.includes(code)) return
    throw error
  }
  throw new Error(`it succeeded, instead of ${codes.join(' or ')}`)
}

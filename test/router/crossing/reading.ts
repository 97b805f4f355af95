import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LeaseOptions } from '../../../src/router/lease-options.ts'
import { CrossingError, expectHere, expectNoTraces, expectOwn, expectWhole, WHERE } from './traces.ts'
import type { Work } from './work.ts'
import { expectCode } from './work.ts'

const WHOLE = 'select id, tenant, body from notes order by id'
const FOREIGN: LeaseOptions = { trust: 'foreign' }

export const query: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  expectWhole(tenant, await lease.sql`select id, tenant, body from notes order by id`)
}

/** Leases for each statement; the text is the tenant's own, so that a prepared one tells whose it is. */
export const handle: Work = async ({ world }, tenant) => {
  const sql = world.router.sql(tenant)
  const [row] = await sql.unsafe(`select '${tenant}' as named, $1::int as n, $2::text[] as list`, [
    7,
    [tenant, 'ü,"'],
  ])
  if (JSON.stringify(row) !== JSON.stringify({ named: tenant, n: 7, list: [tenant, 'ü,"'] })) {
    throw new CrossingError(`${tenant} got ${JSON.stringify(row)}`)
  }
  expectHere(world, tenant, await sql.unsafe(WHERE))
}

export const inspect: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  expectHere(world, tenant, (await lease.run({ text: WHERE })).rows)
  await expectNoTraces(world, lease, tenant)
}

export const inspectForeign: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant, FOREIGN)
  expectHere(world, tenant, (await lease.run({ text: WHERE })).rows)
  await expectNoTraces(world, lease, tenant)
}

export const foreign: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant, FOREIGN)
  const { rows } = await lease.run({ text: 'select tenant, $1::int as n from notes limit 3', params: [7] })
  if (JSON.stringify(rows) !== JSON.stringify(Array(3).fill({ tenant, n: 7 }))) {
    throw new CrossingError(`${tenant} read as foreign ${JSON.stringify(rows)}`)
  }
}

/** Rows come first, then the error: what the driver counted must not reach the next answer. */
export const failure: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  const text = 'select repeat($1, 100), 10 / (900 - n) from generate_series(1, 1000) n'
  await expectCode(lease.run({ text, params: [tenant] }), '22012')
  expectWhole(tenant, (await lease.run({ text: WHOLE })).rows)
}

/** Its text is the tenant's own secret, and its alone. */
export const raise: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  const text = `do $$ begin raise exception 'secret of ${tenant}' using detail = '${tenant}'; end $$`
  await expectCode(lease.run({ text, prepare: false }), 'P0001')
}

export const cursor: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  const rows: Record<string, unknown>[] = []
  for await (const batch of lease.sql`select id, tenant, body from notes order by id`.cursor(6))
    rows.push(...batch)
  expectWhole(tenant, rows)
}

export const cursorLeftEarly: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  const many = lease.sql`select ${tenant} as tenant, n from generate_series(1, 5000) n`
  for await (const batch of many.cursor(50)) {
    expectOwn(world, tenant, JSON.stringify(batch))
    break
  }
  expectWhole(tenant, await lease.sql`select id, tenant, body from notes order by id`)
}

export const copyOut: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  let text = ''
  for await (const chunk of await lease.sql`copy (select tenant from notes) to stdout`.readable()) {
    text += String(chunk)
  }
  if (text !== `${tenant}\n`.repeat(20)) throw new CrossingError(`${tenant} copied ${text}`)
}

export const abort: Work = async ({ world }, tenant) => {
  const signal = AbortSignal.timeout(Math.floor(Math.random() * 4))
  const reading = (async () => {
    using lease = await world.lease(tenant, { signal })
    expectWhole(tenant, await lease.sql`select id, tenant, body from notes order by id`)
  })()
  await reading.catch(async (error: unknown) => expectCode(Promise.reject(error), 'cancelled'))
}

export const cancel: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  const asleep = lease.run({ text: 'select n, pg_sleep(0.02) from generate_series(1, 500) n' })
  const ended = settled(expectCode(asleep, '57014', 'cancelled'))
  // A request to cancel that comes before the statement does nothing.
  while (ended.isPending) await Promise.all([lease.cancel(), nextTurn()])
  await ended.outcome()
  expectWhole(tenant, (await lease.run({ text: WHOLE })).rows)
}

/** Nobody waits for the answer any more. */
export const leaveRunning: Work = async ({ world }, tenant) => {
  const lease = await world.lease(tenant)
  const running = lease.run({ text: 'select n, pg_sleep(0.02) from generate_series(1, 500) n' })
  const ended = settled(expectCode(running, '57014', 'cancelled', 'lease_released'))
  while (ended.isPending && !lease.connection.isBusy) await nextTurn()
  lease.release()
  await ended.outcome()
}

/** A promise that nobody waits for yet: its failure is kept until somebody asks. */
function settled(promise: Promise<void>) {
  const state = { isPending: true, outcome: () => promise }
  void Promise.allSettled([promise]).finally(() => {
    state.isPending = false
  })
  return state
}

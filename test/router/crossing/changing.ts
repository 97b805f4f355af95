import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CancelledError } from '../../../src/errors.ts'
import { codeOf } from './tally.ts'
import { CrossingError, expectNoTraces, expectWhole } from './traces.ts'
import { expectCode, isDisturbance, type Work } from './work.ts'

/** Keeps what the worker was told of its write. */
const told = async (tally: Parameters<Work>[0]['tally'], tenant: string, write: Promise<void>) => {
  try {
    await write
    tally.count(tally.committed, tenant)
  } catch (error) {
    if (isDisturbance(error)) tally.count(tally.unknown, tenant)
    throw error
  }
}

export const commit: Work = async ({ world, tally }, tenant) => {
  const n = tally.next()
  const write = world.router.transaction(tenant, {}, async (sql) => {
    const [before] = await sql`select pg_backend_pid() as pid`
    await sql`insert into ledger (n, tenant) values (${n}, ${tenant})`
    const [row] = await sql`select tenant, pg_backend_pid() as pid from ledger where n = ${n}`
    if (row?.['tenant'] !== tenant || row['pid'] !== before?.['pid']) {
      throw new CrossingError(`${tenant} sees ${JSON.stringify([before, row])} in its transaction`)
    }
  })
  await told(tally, tenant, write)
}

export const rollback: Work = async ({ world, tally }, tenant) => {
  const change = world.router.transaction(tenant, {}, async (sql) => {
    await sql`insert into ledger (n, tenant) values (${tally.next()}, ${tenant})`
    throw new CancelledError('changed my mind')
  })
  await expectCode(change, 'cancelled')
}

/** Gives the connection back in the middle of a transaction. */
export const leaveOpen: Work = async ({ world, tally }, tenant) => {
  using lease = await world.lease(tenant)
  await lease.run({ text: 'begin' })
  await lease.run({ text: 'insert into ledger (n, tenant) values ($1, $2)', params: [tally.next(), tenant] })
}

export const copyIn: Work = async ({ world, tally }, tenant) => {
  using lease = await world.lease(tenant)
  const write = async () => {
    const line = Readable.from([`${tally.next()}\t${tenant}\n`])
    await pipeline(line, await lease.sql`copy ledger (n, tenant) from stdin`.writable())
  }
  await told(tally, tenant, write())
}

/** Leaves a setting, a prepared statement, a temporary table and a lock, all of which say whose they are. */
const mess = (trust: 'application' | 'foreign'): Work => {
  return async ({ world }, tenant) => {
    using lease = await world.lease(tenant, { trust })
    await expectNoTraces(world, lease, tenant)
    for (const text of [
      `select set_config('app.tenant', '${tenant}', false)`,
      `prepare planted as select '${tenant}'`,
      `create temp table mark as select '${tenant}' as tenant`,
      'select pg_try_advisory_lock(1)',
    ]) {
      await lease.run({ text, prepare: false })
    }
  }
}
export const messOfApplication = mess('application')
export const messOfForeign = mess('foreign')

/** What no evidence shows stays, for the same tenant alone. */
export const setting: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  await lease.run({ text: `select set_config('app.tenant', $1, false)`, params: [tenant] })
}

/** Past its deadline the statement is cancelled and the connection taken away. */
export const expire: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant, { leaseTimeoutMs: 10 })
  const late = lease.run({ text: `select pg_sleep(1), '${tenant}'` })
  await expectCode(late, 'lease_expired')
}

/** What failed was of another tenant than the worker's. */
export class InnerError extends Error {
  readonly tenant: string

  constructor(tenant: string, cause: unknown) {
    super('within another lease', { cause })
    this.tenant = tenant
  }
}

/** One of the same tenant or of another, within. */
export const nested: Work = async ({ world, anyTenant }, tenant) => {
  const other = Math.random() < 0.5 ? tenant : anyTenant()
  await world.router.withTenant(tenant, async (sql) => {
    const outer = await sql`select id, tenant, body from notes order by id`
    try {
      using inner = await world.lease(other)
      expectWhole(other, await inner.sql`select id, tenant, body from notes order by id`)
    } catch (error) {
      if (codeOf(error) !== 'nested_lease') throw new InnerError(other, error)
    }
    expectWhole(tenant, outer)
    expectWhole(tenant, await sql`select id, tenant, body from notes order by id`)
  })
}

export const evict: Work = async ({ world }, tenant) => {
  world.router.evict(tenant)
  using lease = await world.lease(tenant)
  expectWhole(tenant, await lease.sql`select id, tenant, body from notes order by id`)
}

export const onlyIfWarm: Work = async ({ world }, tenant) => {
  const warm = (async () => {
    using lease = await world.lease(tenant, { onlyIfWarm: true })
    expectWhole(tenant, await lease.sql`select id, tenant, body from notes order by id`)
  })()
  await warm.catch(async (error: unknown) => expectCode(Promise.reject(error), 'not_warm'))
}

import { setTimeout as later } from 'node:timers/promises'
import type { Sql } from '../../src/connection/sql.ts'
import { scramVerifier } from '../../src/lifecycle/provision/scram-verifier.ts'
import { Secret } from '../../src/secret.ts'
import { currentTenant, runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId, type TenantId } from '../../src/tenant/tenant-id.ts'
import { startWorld, type World } from '../support/world.ts'

export interface Interleaving {
  /** Where another tenant, or none, was ambient, and in which step. */
  readonly strays: readonly string[]
  readonly steps: number
  /** Callers that waited for a connection at the same moment, at most. */
  readonly mostWaiters: number
}

/**
 * Every tenant at once, over a few connections: each waits for one, and then asks in statements, in row callbacks and
 * streams, or in a transaction, and in timers who it is.
 */
export async function interleave(tenants: number, connections: number): Promise<Interleaving> {
  const lodgers = Array.from({ length: tenants - 1 }, (_, n) => `t-${n}`)
  await using world = await startWorld(['host'], {
    lodgers,
    maxConnections: connections,
    acquireTimeoutMs: 60_000,
  })
  await cheapLogins(world)
  const strays: string[] = []
  let [steps, mostWaiters] = [0, 0]
  const checkOf = (tenant: TenantId) => (step: string) => {
    steps++
    const seen = currentTenant()
    if (seen !== tenant) strays.push(`${step}: ${tenant} saw ${seen}`)
    if (step === 'with its lease' && steps < 1_500)
      mostWaiters = Math.max(mostWaiters, world.router.stats().waiters)
  }
  const all = ['host', ...lodgers].map(parseTenantId)
  const works = all.map((tenant, n) => {
    const kind = KINDS[n % KINDS.length] ?? statements
    return runAsTenant(tenant, () => workOf(world, tenant, kind, checkOf(tenant)))
  })
  await Promise.all(works)
  return { strays, steps, mostWaiters }
}

/** A thousand logins cost more than all the rest, and nothing here is about them. */
async function cheapLogins(world: World): Promise<void> {
  const { role, password } = world.placeOf('host')
  const verifier = await scramVerifier(new Secret(password), 1)
  await world.server.execute(`alter role ${role} password '${verifier}'`)
}

type Check = (step: string) => void

type Kind = (sql: Sql, check: Check) => Promise<void>

async function workOf(world: World, tenant: TenantId, kind: Kind, check: Check): Promise<void> {
  check('at its start')
  await world.router.withTenant(tenant, async (sql) => {
    check('with its lease')
    await kind(sql, check)
    await timers(check)
  })
  check('after its lease')
}

async function statements(sql: Sql, check: Check): Promise<void> {
  await sql`select ${currentTenant() ?? 'none'} as tenant`
  check('after a statement')
  await Promise.all([1, 2, 3].map((n) => sql`select ${n}`.then(() => check('after one of several'))))
  await sql`select 1 / 0`.catch(() => check('after a failure'))
}

async function streams(sql: Sql, check: Check): Promise<void> {
  await sql`select n from generate_series(1, 5) n`.forEach(() => check('in a row callback'))
  const take = async () => {
    check('in a cursor callback')
    await later(0)
    check('in a cursor callback, after a timer')
  }
  // The driver awaits what a cursor's callback answers, and its type does not say so.
  await sql`select n from generate_series(1, 4) n`.cursor(2, () => take() as unknown as undefined)
  for await (const _ of sql`select n from generate_series(1, 4) n`.cursor(2)) check('in a loop over a cursor')
}

async function timers(check: Check): Promise<void> {
  await later(1)
  check('after a timer')
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      check('in an immediate')
      resolve()
    })
  })
  queueMicrotask(() => check('in a microtask'))
}

async function transaction(sql: Sql, check: Check): Promise<void> {
  await sql
    .begin(async (tx) => {
      check('in a transaction')
      await tx.savepoint(async (inner) => {
        await inner`select 1`
        check('in a savepoint')
      })
      throw new Error('undone')
    })
    .catch(() => check('after a rollback'))
}

const KINDS = [statements, streams, transaction] as const

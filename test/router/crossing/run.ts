import { openConnection } from '../../../src/connection/open.ts'
import { NO_SCHEMAS } from '../../../src/connection/startup-settings.ts'
import type { Connect } from '../../../src/router/route-opener.ts'
import { startWorld, type World } from '../../support/world.ts'
import { InnerError } from './changing.ts'
import { type Disturbances, Disturber, dropSecondLogins } from './disturber.ts'
import { type LedgerCount, ledgersOf } from './ledgers.ts'
import { anyWork } from './mix.ts'
import { HEADROOM, SessionWatch } from './session-watch.ts'
import { codeOf, Tally } from './tally.ts'
import { expectOwnError } from './traces.ts'
import { type Ground, isDisturbance, isRefusal } from './work.ts'

/** Of one wait for a lease, and of one lease. */
export const ACQUIRE_MS = 10_000
export const LEASE_MS = 10_000

export interface CrossingTerms extends Disturbances {
  readonly tenants: number
  readonly budget: number
  readonly workers: number
  readonly leases: number
}

/** Most leases are of a few tenants, which change as the run goes on; the others are of any. */
const HOT = 5
const HOT_SHARE = 0.97
const LEASES_BEFORE_THE_NEXT = 120

function tenantPicker(tenants: readonly string[], tally: Tally): () => string {
  return () => {
    const first = Math.floor(tally.leases / LEASES_BEFORE_THE_NEXT)
    const at =
      Math.random() < HOT_SHARE
        ? first + Math.floor(Math.random() * HOT)
        : Math.floor(Math.random() * tenants.length)
    return tenants[at % tenants.length] ?? ''
  }
}

async function workOn(ground: Ground, leases: number): Promise<void> {
  const { tally } = ground
  while (tally.leases < leases && tally.violations.length === 0) {
    tally.operations++
    const [name, work] = anyWork()
    const tenant = ground.anyTenant()
    const began = performance.now()
    await work(ground, tenant).then(
      () => tally.count(tally.byKind, name),
      (error: unknown) => judge(ground, name, tenant, error),
    )
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - began)
  }
}

function judge({ world, tally }: Ground, name: string, worker: string, thrown: unknown): void {
  const [tenant, error] = thrown instanceof InnerError ? [thrown.tenant, thrown.cause] : [worker, thrown]
  try {
    expectOwnError(world, tenant, error)
  } catch (crossing) {
    tally.violate(`${name}: ${String(crossing)}`)
  }
  if (isDisturbance(error)) tally.disturbed++
  else if (isRefusal(error)) tally.refused++
  else
    tally.violate(`${name} of ${tenant}: ${error instanceof Error ? (error.stack ?? error) : String(error)}`)
  tally.count(tally.errors, codeOf(error))
}

/** Says which connections are beside the budget, so that they can be told from the others on the server. */
const namingHeadroom: Connect = (target, options) => {
  const isHeadroom = target.settings?.['search_path'] === NO_SCHEMAS
  return openConnection(
    isHeadroom ? { ...target, settings: { ...target.settings, application_name: HEADROOM } } : target,
    options,
  )
}

/** What a run came to; whoever asked for it says what it should be. */
export interface Crossing {
  readonly tally: Tally
  readonly figures: {
    readonly kills: number
    readonly rotations: number
    readonly openFailed: number
    readonly [name: string]: unknown
  }
  readonly sessions: { readonly most: number; readonly mostHeadroom: number; readonly samples: number }
  /** After close(). */
  readonly left: {
    readonly sessions: number
    readonly out: number
    readonly waiters: number
    readonly pools: number
  }
  /** By tenant: rows of its own in its ledger, and of others. */
  readonly ledgers: ReadonlyMap<string, LedgerCount>
}

/** Random work on random tenants by workers that never rest, while backends are killed and logins rotated. */
export async function runCrossing(terms: CrossingTerms): Promise<Crossing> {
  const tenants = Array.from({ length: terms.tenants }, (_, i) => `tenant-${i + 1}`)
  const beganAt = performance.now()
  const world = await startWorld(tenants, {
    maxConnections: terms.budget,
    serverBudget: terms.budget,
    acquireTimeoutMs: ACQUIRE_MS,
    leaseTimeoutMs: LEASE_MS,
    connect: namingHeadroom,
  })
  try {
    return await runIn(world, terms, beganAt)
  } finally {
    await world[Symbol.asyncDispose]()
    await dropSecondLogins(world)
  }
}

async function runIn(world: World, terms: CrossingTerms, beganAt: number): Promise<Crossing> {
  const closed: Record<string, number> = {}
  let logins = 0
  let openFailed = 0
  world.router.on('openFailed', () => openFailed++)
  world.router.on('opened', () => logins++)
  world.router.on('closed', ({ reason }) => {
    closed[reason] = (closed[reason] ?? 0) + 1
  })
  const tally = new Tally()
  world.router.on('leased', ({ waitedMs }) => tally.lease(waitedMs))
  const ground = { world, tally, anyTenant: tenantPicker([...world.places.keys()], tally) }
  const disturber = await Disturber.start(world, terms)
  const watch = await SessionWatch.start(world)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: terms.workers }, () => workOn(ground, terms.leases)))
  const seconds = (performance.now() - startedAt) / 1_000
  await disturber.end()
  await watch.end()
  await world.router.close()
  const { connections, waiters, pools } = world.router.stats()
  return {
    tally,
    figures: {
      leases: tally.leases,
      operations: tally.operations,
      seconds: Math.round(seconds * 10) / 10,
      setUpSeconds: Math.round((startedAt - beganAt) / 100) / 10,
      kills: disturber.kills,
      rotations: disturber.rotations,
      logins,
      closed,
      openFailed,
      disturbed: tally.disturbed,
      refused: tally.refused,
      errors: Object.fromEntries(tally.errors),
      byKind: Object.fromEntries(tally.byKind),
      slowestMs: Math.round(tally.slowestMs),
      longestWaitMs: Math.round(tally.longestWaitMs),
      mostSessions: watch.most,
      mostHeadroom: watch.mostHeadroom,
      samples: watch.samples,
    },
    sessions: watch,
    left: { sessions: await world.sessions(), out: connections.out, waiters, pools: pools.length },
    ledgers: await ledgersOf(world),
  }
}

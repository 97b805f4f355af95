import type { BudgetExplanation, TenantExplanation } from '../../router/explanation.ts'
import type { RefusalRun } from '../../router/recent-trouble.ts'
import type { TenantView } from '../tenant/tenant-view.ts'
import { clock, duration, many, times } from './phrases.ts'
import type { WhyFacts } from './why.ts'

/** A refusal longer ago than this says nothing of now. */
const RECENT_MS = 60_000
/** A statement that has been running for so long is worth a word where others wait for its connection. */
const LONG_MS = 1_000

/** How the tenant is served, and why so, in one sentence. The first cause that keeps a request back is the one told. */
export function verdictOf(facts: WhyFacts): string {
  const { record, router, tenant } = facts
  if (record === null) return nobody(facts)
  if (router?.hold) return `${tenant} is refused by this process, whatever its record says: ${router.hold}.`
  const standing = standingOf(record)
  if (standing !== null) return `${tenant} is refused: ${standing}.`
  if (facts.server === null)
    return `${tenant} is refused: its server ${record.server} is not in the registry.`
  if (router === null)
    return `${tenant} is active on record. No running service was asked, so nothing is known of its connections.`
  if (router.fence !== null) {
    const since = router.fence.at === null ? '' : ` since ${clock(router.fence.at)}`
    return `${tenant} is refused${since} until its record changes: ${router.fence.why}.`
  }
  return (
    heldBack(router, record) ??
    crowded(router, record, Date.parse(facts.at)) ??
    `${served(router)}${withoutKeys(record)}`
  )
}

function nobody({ asked, tried, registryError }: WhyFacts): string {
  const readings = tried.map(({ as }) => as).join(', ')
  const name = JSON.stringify(asked)
  if (registryError === null) return `${name} names no tenant: tried as ${readings}.`
  return `${name} names no tenant that this process holds (tried as ${readings}), and the registry does not answer: ${registryError}.`
}

/** Why its status alone refuses it; null for an active one. */
function standingOf({ status, statusReason, updatedAt }: TenantView): string | null {
  if (status === 'active') return null
  const why = statusReason === null ? '' : ` (${statusReason})`
  return `it is ${status}${why}, says its record of ${clock(updatedAt)}`
}

/** By a breaker: of its server, or its own. */
function heldBack(router: TenantExplanation, { server }: TenantView): string | null {
  const { breaker, tenant } = router
  if (breaker === null) return null
  const open = router.pools.reduce((sum, pool) => sum + pool.idle + pool.leased, 0)
  const rest = open > 0 ? ` ${open} connections that are open go on.` : ''
  if (breaker.state !== 'closed') {
    const next =
      breaker.state === 'half-open'
        ? 'it is being tried now'
        : breaker.nextAttemptInMs > 0
          ? `it is tried again in ${duration(breaker.nextAttemptInMs)}`
          : 'it is tried again with the next request'
    return (
      `${tenant} is refused where it needs a new connection: server ${server} cannot be reached for ${duration(breaker.openMs)} now ` +
      `(${breaker.cause ?? 'unknown'}); ${next}.${rest}`
    )
  }
  if (breaker.cause !== null)
    return `${tenant} is refused where it needs a new connection: server ${server} is starting or stopping (${breaker.cause}).${rest}`
  if (breaker.tenant === null) return null
  return `${tenant} is refused where it needs a new connection: ${breaker.tenant.cause}; tried again in ${duration(breaker.tenant.forMs)}.${rest}`
}

/** By what is full; or, where nothing is, as it was refused a moment ago. */
function crowded(router: TenantExplanation, record: TenantView, now: number): string | null {
  const { tenant, budgets, pools } = router
  const run = currentRun(router, now)
  const waiting = pools.reduce((sum, pool) => sum + pool.waiting, 0)
  const oldestMs = Math.max(0, ...pools.map(({ oldestWaitMs }) => oldestWaitMs ?? 0))
  const full =
    turnedAway(router, record.server, run ? run.lastAt - waitMs(router) : now - oldestMs) ??
    (budgets && fullness(budgets, record.server))
  if (run !== undefined) {
    const again = run.count === 1 ? times(1) : `${times(run.count)}, last at ${clock(run.lastAt)}`
    const since = `${tenant} is refused since ${clock(run.firstAt)} (${again})`
    if (run.code === 'acquire_timeout') {
      const seen = run.scope === null ? 'no connection came in time' : `the ${run.scope} limit was reached`
      return `${since} because ${full ?? seen}.${waitingText(waiting, oldestMs)}${longestText(router)}`
    }
    const why = router.lastOpenFailure?.code === run.code ? router.lastOpenFailure.why : null
    return `${since}: ${why ?? run.code}.${waitingText(waiting, oldestMs)}`
  }
  if (waiting === 0) return null
  const because =
    full ?? (isOpening(router) ? 'connections are being opened' : 'all its connections are in use')
  return `${tenant} is slow because ${because}.${waitingText(waiting, oldestMs)}${longestText(router)}`
}

/**
 * Where the server itself takes no more. Believed before our own budgets, which are lowered to what it had room for.
 * @param since wall clock, ms: what it said before is over.
 */
function turnedAway(router: TenantExplanation, server: string, since: number): string | null {
  const { breaker, budgets, lastOpenFailure } = router
  const full = lastOpenFailure !== null && lastOpenFailure.at >= since ? lastOpenFailure.full : null
  // It said so to another tenant, and this one would open a connection.
  const isAwaited =
    breaker !== null && breaker.fullForMs > 0 && [null, 'server'].includes(budgets?.full ?? null)
  if (full === 'server' || isAwaited) {
    return (
      `server ${server} has no place left for new connections (53300, max_connections): pg_stat_activity there says ` +
      'who has them, tenantry doctor whether the budgets fit'
    )
  }
  if (full === null) return null
  return 'its role or database on the server has all the connections of its CONNECTION LIMIT (53300)'
}

/** How long a request waits before it is refused. */
function waitMs({ limits }: TenantExplanation): number {
  return limits?.acquireTimeoutMs ?? 0
}

/** Refusals of late that no lease came after. */
function currentRun({ refusals, pools }: TenantExplanation, now: number): RefusalRun | undefined {
  const run = refusals.find(({ code }) => code !== 'role_not_isolated')
  if (run === undefined || now - run.lastAt > RECENT_MS) return undefined
  const servedAgo = Math.min(...pools.map(({ idleMs }) => idleMs), Number.POSITIVE_INFINITY)
  const isServing = pools.some(({ idle, leased }) => idle > 0 || leased > 0)
  return isServing && now - servedAgo > run.lastAt ? undefined : run
}

/** Service keys and the library work all the same: that its own keys are refused is no trouble of its connections. */
function withoutKeys({ isolation }: TenantView): string {
  return isolation?.isolated === true ? '' : ' Its own keys may run no SQL (role_not_isolated).'
}

/** What has its connections, where nobody else keeps it from having more. */
function longestText({ tenant, budgets, pools }: TenantExplanation): string {
  if (budgets !== null && budgets.full !== null && budgets.full !== 'tenant') return ''
  const running = pools.flatMap(({ leases }) => leases.map(({ statementMs }) => statementMs ?? 0))
  const longestMs = Math.max(0, ...running)
  if (longestMs < LONG_MS) return ''
  return ` Its longest statement has been running for ${duration(longestMs)} (tenantry pool cancel ${tenant} ends it).`
}

function waitingText(waiting: number, oldestMs: number): string {
  return waiting === 0 ? '' : ` ${waiting} wait, the oldest for ${duration(oldestMs)}.`
}

function isOpening({ pools }: TenantExplanation): boolean {
  return pools.some(({ opening }) => opening > 0)
}

function fullness(budgets: BudgetExplanation, server: string): string | null {
  const { full } = budgets
  if (full === null) return null
  const { limit } = budgets[full]
  switch (full) {
    case 'tenant':
      return `it has all the connections that it may have (${limit})`
    case 'server':
      return `the budget of server ${server} (${limit}) is full`
    case 'process':
      return `the budget of this process (${limit}) is full`
    case 'pools':
      return `this process has as many pools as it may (${limit})`
  }
}

function served({ tenant, pools }: TenantExplanation): string {
  const sum = (state: 'idle' | 'leased' | 'cleaning') => pools.reduce((count, pool) => count + pool[state], 0)
  if (pools.length === 0) return `${tenant} is served; no connection is open now, the next request opens one.`
  const inUse = many(sum('leased') + sum('cleaning'), 'connection')
  return `${tenant} is served: ${inUse} in use, ${sum('idle')} idle, nobody waits.`
}

import type { Basis, Standing } from '../../limits/standing.ts'
import type { PoolExplanation, TenantExplanation } from '../../router/explanation.ts'
import type { TenantView } from '../tenant/tenant-view.ts'
import { clock, duration, times } from './phrases.ts'
import type { WhyFacts } from './why.ts'

/** Everything beside the verdict, each line with the word that it is about in front. */
export function detailLines(facts: WhyFacts): string[] {
  const { record, router } = facts
  return [
    ...resolutionLines(facts),
    ...(record === null ? [] : recordLines(facts, record)),
    ...operationLines(facts),
    ...(facts.requests === null ? [] : requestLines(facts.requests)),
    ...(router === null ? [] : routerLines(router)),
  ]
}

function resolutionLines({ asked, tenant, tried, aliases, registryError }: WhyFacts): string[] {
  const by = tried.at(-1)
  const names = aliases.map(({ kind, value }) => `${kind} ${value}`)
  return [
    ...(tenant !== null && tenant !== asked && by
      ? [`resolved   ${asked} as ${by.as}: tenant ${tenant}`]
      : []),
    ...(names.length === 0 ? [] : [`aliases    ${names.join(', ')}`]),
    ...(registryError === null ? [] : [`registry   does not answer: ${registryError}`]),
  ]
}

function recordLines(facts: WhyFacts, record: TenantView): string[] {
  const { server } = facts
  const { status, statusReason, origin, generation, epoch, revision, updatedAt, isolation } = record
  const where = server?.endpoints.map(({ role, host, port }) => `${role} ${host}:${port}`).join(', ')
  const how = server === null ? 'not in the registry' : `${where}, ${server.via}, TLS ${server.tls}`
  const findings = isolation?.findings.join('; ') ?? ''
  return [
    `status     ${status}${statusReason === null ? '' : `: ${statusReason}`}`,
    `record     ${origin}, generation ${generation}, epoch ${epoch}, revision ${revision}, changed ${clock(updatedAt)}`,
    ...heldLines(facts, revision),
    `route      server ${record.server} (${how}), database ${record.database}, role ${record.role}`,
    `identity   ${identityText(record)}`,
    isolation === null
      ? 'isolation  never checked: keys of the tenant may run no SQL'
      : `isolation  ${isolation.isolated ? 'isolated' : `not isolated: ${findings}`}, checked ${clock(isolation.checkedAt)}`,
  ]
}

function heldLines({ directory }: WhyFacts, revision: number): string[] {
  if (directory === null) return []
  const { held, stalenessSeconds } = directory
  const feed = `changes of the registry known until ${duration(stalenessSeconds * 1_000)} ago`
  if (held === null) return [`directory  does not hold it; ${feed}`]
  const which = held.revision === revision ? `revision ${held.revision}` : `still revision ${held.revision}`
  const trust = held.isFresh ? 'fresh' : 'not fresh: read again when it is used'
  return [`directory  holds ${which}, true ${duration(held.ageMs)} ago, ${trust}; ${feed}`]
}

function identityText({ identity }: TenantView): string {
  if (identity === null) return 'none on record: every new connection is refused'
  if (identity.kind === 'stamp') return `stamp, incarnation ${identity.incarnation}`
  const cluster = identity.systemIdentifier ?? identity.serverAddress ?? 'unknown'
  return `pin, cluster ${cluster}, database ${identity.databaseName} (oid ${identity.databaseOid})${identity.shared ? ', shared' : ''}`
}

function operationLines({ operation }: WhyFacts): string[] {
  if (operation === null) return []
  const { id, kind, state, stepsDone, error } = operation
  const steps = stepsDone.length === 0 ? 'no step done' : `done: ${stepsDone.join(', ')}`
  return [`operation  ${kind} ${id} is ${state}; ${steps}${error === null ? '' : `; ${error}`}`]
}

/** Nothing where nothing is limited. */
function requestLines({ allowance, basis, remaining, active }: Standing): string[] {
  const { plan, rate, concurrency, overrideUntil } = allowance
  if (rate === null && concurrency === null) return []
  const ofAll = (count: number | null, what: string) => (count === null ? '' : ` (${count} ${what})`)
  const allowed = [
    ...(rate === null ? [] : [`${rate.requestsPerMinute} a minute${ofAll(remaining, 'left')}`]),
    ...(concurrency === null ? [] : [`${concurrency} at once${ofAll(active, 'under way')}`]),
  ]
  const source =
    overrideUntil === null ? `plan ${plan ?? 'default'}` : `override until ${clock(overrideUntil)}`
  return [`requests   ${allowed.join(', ')}; ${source}; ${COUNTED[basis]}`]
}

const COUNTED: Readonly<Record<Basis, string>> = {
  redis: 'counted in Redis',
  local: 'counted by this process',
  fallback: 'Redis is gone: this process lets in its share',
  none: 'Redis is gone: nobody counts',
}

function routerLines(router: TenantExplanation): string[] {
  const { limits, refusals, lastOpenFailure } = router
  return [
    ...(limits === null
      ? []
      : [
          `limits     ${limits.maxConnections} connections, weight ${limits.weight}, statement ${duration(limits.statementTimeoutMs)}, ` +
            `wait ${duration(limits.acquireTimeoutMs)}, lease ${duration(limits.leaseTimeoutMs)}, answer ${limits.maxResultBytes} bytes`,
        ]),
    ...(router.pools.length === 0 ? ['pool       none'] : router.pools.flatMap(poolLines)),
    ...budgetLines(router),
    ...breakerLines(router),
    ...refusals.map(
      ({ code, scope, count, firstAt, lastAt }) =>
        `refused    ${times(count)}: ${code}${scope === null ? '' : ` (${scope})`}, ${clock(firstAt)}${count === 1 ? '' : ` to ${clock(lastAt)}`}`,
    ),
    ...(lastOpenFailure === null
      ? []
      : [
          `failed     to open a connection last at ${clock(lastOpenFailure.at)}: ${lastOpenFailure.code}${lastOpenFailure.why === null ? '' : `: ${lastOpenFailure.why}`}`,
        ]),
  ]
}

const STATES = ['leased', 'idle', 'opening', 'cleaning', 'closing', 'quarantined'] as const

function poolLines(pool: PoolExplanation): string[] {
  const states = STATES.filter((state) => pool[state] > 0).map((state) => `${pool[state]} ${state}`)
  const waits =
    pool.oldestWaitMs === null
      ? 'nobody waits'
      : `${pool.waiting} wait, the oldest for ${duration(pool.oldestWaitMs)}`
  return [
    `pool       ${pool.isDraining ? 'draining, ' : ''}${states.join(', ') || 'no connection'}; ${waits}; last used ${duration(pool.idleMs)} ago`,
    ...pool.leases.map(
      ({ class: leaseClass, trust, heldMs, statementMs }) =>
        `lease      ${leaseClass}, ${trust}, held for ${duration(heldMs)}, ` +
        (statementMs === null ? 'no statement runs' : `its statement runs for ${duration(statementMs)}`),
    ),
  ]
}

function budgetLines({ budgets }: TenantExplanation): string[] {
  if (budgets === null) return []
  const scopes = (['tenant', 'server', 'process', 'pools'] as const).map(
    (scope) =>
      `${scope} ${budgets[scope].out} of ${budgets[scope].limit}${budgets.full === scope ? ' (full)' : ''}`,
  )
  return [`budgets    ${scopes.join(', ')}`]
}

function breakerLines({ breaker }: TenantExplanation): string[] {
  if (breaker === null) return []
  const { state, openMs, nextAttemptInMs, fullForMs, tenant } = breaker
  const server =
    state === 'closed'
      ? 'closed'
      : `${state} for ${duration(openMs)}, half-opens in ${duration(nextAttemptInMs)}`
  return [
    `breaker    server: ${server}${fullForMs > 0 ? `; it had no place, asked again in ${duration(fullForMs)}` : ''}; ` +
      `tenant: ${tenant === null ? 'closed' : `held back for ${duration(tenant.forMs)}: ${tenant.cause}`}`,
  ]
}

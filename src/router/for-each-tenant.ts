import { CancelledError, InvalidRequestError } from '../errors.ts'
import type { Registry } from '../registry/registry.ts'
import { selectTenants, type TenantSelector } from '../registry/select-tenants.ts'
import { sideBySide } from '../side-by-side.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { LeaseOptions } from './lease-options.ts'
import type { TenantRouter } from './tenant-router.ts'
import type { TenantSql } from './tenant-sql.ts'

/** What is on record of a tenant that a selector means, less its route and secrets. */
export type SelectedTenant = Pick<
  TenantRecord,
  'id' | 'generation' | 'status' | 'origin' | 'labels' | 'schemaVersion'
>

/** How a sweep goes. What is not here is as for one lease. */
export interface ForEachTenantOptions extends LeaseOptions {
  /**
   * Tenants at once, 1 to 64. Default: 4. Of batch leases no more are given than a fifth of each budget: those beyond
   * it wait, each for `acquireTimeoutMs`.
   */
  readonly concurrency?: number
  /** Go on with the others when one fails. Default: false. */
  readonly continueOnError?: boolean
  /** Default: `batch`. */
  readonly class?: 'interactive' | 'batch'
  /** Aborted, no further tenant is begun, and those that wait for a connection fail; those at work end by themselves. */
  readonly signal?: AbortSignal
}

/** A tenant whose work failed, or that could not be leased, and with what. */
export interface TenantFailure {
  readonly tenant: TenantId
  readonly error: unknown
}

/** What a sweep came to. */
export interface ForEachTenantReport {
  /** Tenants whose work resolved. */
  readonly done: number
  /** In the order in which they failed; without `continueOnError` there are none. */
  readonly failed: readonly TenantFailure[]
}

/** What a sweep does for one tenant. `sql` is of no use once it has settled. */
export type TenantWork = (sql: TenantSql<TenantId>, tenant: SelectedTenant) => unknown

const MAX_AT_ONCE = 64

/** Names only: opens no connection, and reads a page of the registry when it is asked for. @throws as `selectTenants` */
export async function* selectedTenants(
  registry: Registry,
  selector: TenantSelector,
): AsyncGenerator<SelectedTenant> {
  for await (const { record } of selectTenants(registry, selector)) {
    const { id, generation, status, origin, labels, schemaVersion } = record
    yield { id, generation, status, origin, labels, schemaVersion }
  }
}

/** As `AppRouter.forEachTenant` says. */
export async function forEachTenant(
  { registry, router }: { readonly registry: Registry; readonly router: Pick<TenantRouter, 'withTenant'> },
  selector: TenantSelector,
  work: TenantWork,
  options: ForEachTenantOptions,
): Promise<ForEachTenantReport> {
  const { concurrency = 4, continueOnError = false, ...lease } = options
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_AT_ONCE)
    throw new InvalidRequestError(`concurrency must be a whole number from 1 to ${MAX_AT_ONCE}.`)
  const { signal } = lease
  let done = 0
  const failed: TenantFailure[] = []
  const one = async (tenant: SelectedTenant) => {
    signal?.throwIfAborted()
    try {
      await router.withTenant(tenant.id, (sql) => work(sql, tenant), { class: 'batch', ...lease })
      done++
    } catch (error) {
      if (signal?.aborted) throw error
      failed.push({ tenant: tenant.id, error })
      if (!continueOnError) throw error
    }
  }
  try {
    await sideBySide(selectedTenants(registry, selector), concurrency, one)
  } catch (error) {
    if (signal?.aborted) throw new CancelledError(`cancelled after ${done} tenants`, { cause: error })
    throw error === failed[0]?.error ? failureOf(failed, done) : error
  }
  return { done, failed }
}

/** Of those that were under way at the first failure: never more than were at work at once. */
function failureOf(failed: readonly TenantFailure[], done: number): AggregateError {
  const names = failed.map(({ tenant }) => tenant).join(', ')
  return new AggregateError(
    failed.map(({ error }) => error),
    `${failed.length} tenants failed (${names}), ${done} were done`,
  )
}

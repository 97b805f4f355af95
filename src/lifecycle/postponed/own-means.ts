import { RegistryUnavailableError, type TenantryError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { PostponedChanges } from './postponed-changes.ts'

export interface Known {
  readonly tenant: TenantRecord
  readonly server: ServerRecord
}

/** What a running service can do by itself while the registry cannot be asked. */
export interface OwnMeans {
  readonly postponed: PostponedChanges
  /** As this process has them; undefined where it has not. */
  known(tenant: TenantId): Promise<Known | undefined>
  /** Refuses the tenant's requests in this process and ends its leases, until that is disposed of. */
  hold(tenant: TenantId, error: TenantryError): Disposable
  /** @returns how many of its connections were idle and are closed. */
  evict(tenant: TenantId): number
}

/** In the place of an answer: it will be done when the registry is back, if this process lives until then. */
export interface Postponed {
  readonly postponed: true
  /** What holds until then, in words. */
  readonly until: string
}

/** What `work` resolves; where the registry cannot be asked, what `otherwise` does instead. */
export async function unlessAway<T, U>(
  work: () => Promise<T>,
  otherwise: () => Promise<U> | U,
): Promise<T | U> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof RegistryUnavailableError)) throw error
    return await otherwise()
  }
}

export function isPostponed(answer: object): answer is Postponed {
  return 'postponed' in answer && answer.postponed === true
}

import { TenantryError } from '../../errors.ts'
import type { Directory } from '../../registry/directory.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { Known, OwnMeans } from './own-means.ts'
import { PostponedChanges } from './postponed-changes.ts'

/** Those of a running service: its router, and what its directory still knows. */
export class ServiceMeans implements OwnMeans {
  readonly postponed: PostponedChanges
  readonly #router: Pick<TenantRouter, 'hold' | 'evict'>
  readonly #directory: Pick<Directory, 'tenant' | 'server'>

  /** @param onFault hears of each postponed change that was not done. */
  constructor(
    router: Pick<TenantRouter, 'hold' | 'evict'>,
    directory: Pick<Directory, 'tenant' | 'server'>,
    onFault: (fault: unknown) => void,
  ) {
    this.#router = router
    this.#directory = directory
    this.postponed = new PostponedChanges({ onFault: (_, fault) => onFault(fault) })
  }

  async known(id: TenantId): Promise<Known | undefined> {
    try {
      const tenant = (await this.#directory.tenant(id))?.record
      const server = tenant && (await this.#directory.server(tenant.route.server))?.record
      return tenant && server && { tenant, server }
    } catch (error) {
      if (error instanceof TenantryError) return undefined
      throw error
    }
  }

  hold(tenant: TenantId, error: TenantryError): Disposable {
    return this.#router.hold(tenant, error)
  }

  evict(tenant: TenantId): number {
    return this.#router.evict(tenant)
  }
}

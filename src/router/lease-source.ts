import { tenantHere } from '../tenant/tenant-context.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { Lease } from './lease.ts'
import type { ConnectionSource, HeldConnection } from './sql/connection-source.ts'

/** Takes a lease for each connection that is asked for: of one tenant, or of the one that is ambient then. */
export class LeaseSource implements ConnectionSource {
  readonly #own: TenantId | undefined
  readonly #lease: (tenant: TenantId, signal?: AbortSignal) => Promise<Lease>

  /** @param own undefined for the ambient tenant. */
  constructor(own: TenantId | undefined, lease: (tenant: TenantId, signal?: AbortSignal) => Promise<Lease>) {
    this.#own = own
    this.#lease = lease
  }

  /** @throws {NoTenantError | TenantMismatchError} and as `TenantRouter.lease`. */
  async hold(signal?: AbortSignal): Promise<HeldConnection> {
    return new LeasedConnection(await this.#lease(tenantHere(this.#own), signal))
  }
}

class LeasedConnection implements HeldConnection {
  readonly connection: HeldConnection['connection']
  readonly guard: () => void
  readonly maxBytes: number
  readonly #lease: Lease

  constructor(lease: Lease) {
    this.connection = lease.connection
    this.guard = lease.guard
    this.maxBytes = lease.maxBytes
    this.#lease = lease
  }

  get isRevoked(): boolean {
    return this.#lease.isOver
  }

  get revokedBy(): Error | undefined {
    return this.#lease.revokedBy
  }

  release(): void {
    this.#lease.release()
  }
}

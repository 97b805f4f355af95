import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'

interface Fence {
  readonly generation: number
  readonly epoch: number
  readonly error: Error
}

/** Tenants whose database proved to be another's: refused until their record changes. */
export class Fences {
  readonly #fences = new Map<TenantId, Fence>()

  /** What a lease by this record is refused with. */
  of({ id, generation, epoch }: TenantRecord): Error | undefined {
    const fence = this.#fences.get(id)
    return fence?.generation === generation && fence.epoch === epoch ? fence.error : undefined
  }

  put({ id, generation, epoch }: TenantRecord, error: Error): void {
    this.#fences.set(id, { generation, epoch, error })
  }

  lift(id: TenantId): void {
    this.#fences.delete(id)
  }
}

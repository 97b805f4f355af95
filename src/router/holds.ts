import type { TenantId } from '../tenant/tenant-id.ts'

/** Tenants that this process refuses until it is told otherwise, whatever their records say. */
export class Holds {
  readonly #holds = new Map<TenantId, Set<Error>>()

  /** What a lease is refused with. */
  of(tenant: TenantId): Error | undefined {
    const [first] = this.#holds.get(tenant) ?? []
    return first
  }

  /** Lasts until disposed; of several each by itself. */
  put(tenant: TenantId, error: Error): Disposable {
    const held = this.#holds.get(tenant) ?? new Set<Error>()
    this.#holds.set(tenant, held)
    held.add(error)
    return {
      [Symbol.dispose]: () => {
        held.delete(error)
        if (held.size === 0 && this.#holds.get(tenant) === held) this.#holds.delete(tenant)
      },
    }
  }
}

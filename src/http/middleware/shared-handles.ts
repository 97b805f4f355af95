import { LRUCache } from 'lru-cache'
import type { Sql } from '../../connection/sql.ts'
import { UnsupportedError } from '../../errors.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'

/** Handles hold no connection and cost a few microseconds to make: those of the busiest tenants are kept. */
const MAX_KEPT = 1_000

/**
 * A handle for each tenant, which all of its requests share. So an ORM may not write its own types into one: the
 * plain statements of other requests would get them as well. Nor does any of them end it.
 */
export class SharedHandles {
  readonly #router: Pick<TenantRouter, 'sql'>
  readonly #kept = new LRUCache<TenantId, Sql>({ max: MAX_KEPT })

  constructor(router: Pick<TenantRouter, 'sql'>) {
    this.#router = router
  }

  of(tenant: TenantId): Sql {
    const kept = this.#kept.get(tenant)
    if (kept !== undefined) return kept
    const sql: Sql = this.#router.sql(tenant)
    const { parsers, serializers } = sql.options
    const options = { ...sql.options, parsers: fixed(parsers), serializers: fixed(serializers) }
    const shared = Object.assign(sql, { options: Object.freeze(options), end: nothing, close: nothing })
    this.#kept.set(tenant, shared)
    return shared
  }
}

/** It holds no connection, and another request is using it. */
async function nothing(): Promise<void> {}

function fixed<T extends object>(functions: T): T {
  const refuse = (): never => {
    throw new UnsupportedError(
      'An ORM on c.var.sql',
      'make it once for the whole application, on router.sql(), which follows the tenant of each request',
    )
  }
  return new Proxy(functions, { set: refuse, defineProperty: refuse, deleteProperty: refuse })
}

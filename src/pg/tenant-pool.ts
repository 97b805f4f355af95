import pg, { type ClientBase, type CustomTypesConfig } from 'pg'
import type { Lease } from '../router/lease.ts'
import type { LeaseOptions } from '../router/lease-options.ts'
import type { TenantRouter } from '../router/tenant-router.ts'
import { tenantHere } from '../tenant/tenant-context.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import { type Home, TenantClient } from './tenant-client.ts'

/** The terms of its leases, and what a pool of `pg` lets its clients read types with. */
export interface TenantPoolOptions extends Omit<LeaseOptions, 'signal'> {
  /** Default: `pg.types`, with what was set there. */
  readonly types?: CustomTypesConfig
}

/**
 * A `pg.Pool` for what takes nothing else (Prisma's adapter, TypeORM, Knex, Drizzle's node-postgres, Kysely's own
 * dialect). It has no connection: each client is a lease of the router, for as long as it is out, and the router's
 * budgets and deadlines hold for it. `end()` ends the pool and leaves the router as it is.
 */
export class TenantPool extends pg.Pool {
  /**
   * @param id the tenant of all clients; without it, each client is of the tenant that is ambient when it is asked for
   * @throws {InvalidTenantIdError}; what clients reject with is as `TenantRouter.lease`, and {NoTenantError | TenantMismatchError}
   */
  constructor(router: TenantRouter, id?: string, options: TenantPoolOptions = {}) {
    const { types, ...terms } = options
    const leases = new Leases(router, id === undefined ? undefined : parseTenantId(id), terms, types)
    class LeasedClient extends TenantClient {
      constructor(config: object) {
        super(leases, config)
      }
    }
    // Each client is used once: what a lease leaves is the router's to keep or to close.
    super({ Client: asClient(LeasedClient), max: Number.POSITIVE_INFINITY, maxUses: 1 })
    leases.config = this.options
    Object.defineProperty(this, 'waitingCount', { get: () => leases.waiting, configurable: true })
  }
}

class Leases implements Home {
  config: object = {}
  readonly types: CustomTypesConfig | undefined
  /** Calls that wait for their lease. */
  waiting = 0
  readonly #router: TenantRouter
  readonly #own: TenantId | undefined
  readonly #terms: LeaseOptions

  constructor(
    router: TenantRouter,
    own: TenantId | undefined,
    terms: LeaseOptions,
    types: CustomTypesConfig | undefined,
  ) {
    this.#router = router
    this.#own = own
    // As the handles of `sql()`: an ORM asks for a connection for each statement, through a pooler too.
    this.#terms = { keepsSession: false, ...terms }
    this.types = types
  }

  async lease(): Promise<Lease> {
    const tenant = tenantHere(this.#own)
    this.waiting++
    try {
      return await this.#router.lease(tenant, this.#terms)
    } finally {
      this.waiting--
    }
  }
}

/** pg's types want the whole of a client with a socket; its pool calls connect, query, end, on and emit. */
function asClient(client: new (config: object) => TenantClient): new () => ClientBase {
  return client as unknown as new () => ClientBase
}

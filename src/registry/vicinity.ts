import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { Entry } from './registry.ts'
import { type Cluster, isSameCluster } from './server-record.ts'

/** A Postgres cluster, by every name that it goes by: a tenant is there by any of them. */
export interface Vicinity {
  /** On record: tenants whose route leads to one of them. */
  readonly servers: readonly string[]
  /** As logins saw it: tenants that are pinned to one of them. */
  readonly clusters: readonly Cluster[]
  /** Names made at random: provisioned tenants whose route leads into one of them, on whatever server. */
  readonly provisioned: readonly string[]
  /** Of them all, only those that have one of these. */
  readonly having?: {
    /** In the route. */
    readonly databases: readonly string[]
    /** In the route. */
    readonly roles: readonly string[]
    /** In the pin, of those that are pinned to one of the clusters. */
    readonly databaseOids: readonly number[]
  }
}

/** Whether a tenant is there, for backends that cannot ask their store. */
export function isThere({ servers, clusters, provisioned, having }: Vicinity): (of: TenantRecord) => boolean {
  const [places, made] = [new Set(servers), new Set(provisioned)]
  const [databases, roles] = [new Set(having?.databases), new Set(having?.roles)]
  return ({ route, identity, origin }) => {
    const pin = identity?.kind === 'pin' && clusters.some((one) => isSameCluster(identity, one)) && identity
    const isNear = pin || places.has(route.server) || (origin === 'provisioned' && made.has(route.database))
    if (!isNear || having === undefined) return Boolean(isNear)
    if (databases.has(route.database) || roles.has(route.role)) return true
    return pin && having.databaseOids.includes(pin.databaseOid)
  }
}

/** How many tenants each server has, of these; deleted ones are left out. For backends that cannot count. */
export function countByServer(tenants: Iterable<Entry<'tenant'>>, counts = new Map<string, number>()) {
  for (const { record } of tenants) {
    const { server } = record.route
    if (record.status !== 'deleted') counts.set(server, (counts.get(server) ?? 0) + 1)
  }
  return counts
}

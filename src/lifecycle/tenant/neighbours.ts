import { z } from 'zod'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { Pin } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { clusterSeen, isOneServer, isSameCluster } from '../server/cluster.ts'
import { allServers } from '../server/server-view.ts'
import type { Session } from '../session.ts'

/** Who else is on the cluster of a session, under whatever name its server is on record. */
export interface Neighbours {
  /** Every server on record that is this cluster. */
  readonly servers: readonly Entry<'server'>[]
  /** Every other tenant of it. */
  readonly tenants: readonly Entry<'tenant'>[]
  /** Those of them that live in the very database of the session. */
  readonly sharers: readonly Entry<'tenant'>[]
}

/** @param server that the session was opened to. @param pin read over the session. */
export async function neighboursOf(
  registry: Registry,
  session: Session,
  { server, pin, except }: { readonly server: ServerRecord; readonly pin: Pin; readonly except: string },
): Promise<Neighbours> {
  const seen = clusterSeen(pin, server.cluster)
  // Before the tenants: whoever commits one after this changes the revision of a server read here.
  const servers = (await allServers(registry)).filter(({ record }) => isOneServer(record, server, seen))
  const names = new Set([server.id, ...servers.map(({ id }) => id)])
  const databases = await provisionedDatabases(session)
  const isNeighbour = ({ route, identity, origin }: TenantRecord) =>
    names.has(route.server) ||
    (identity?.kind === 'pin' && isSameCluster(identity, seen)) ||
    // Made at random: no other cluster has a database of that name.
    (origin === 'provisioned' && databases.has(route.database))
  const tenants = (await allTenants(registry)).filter(
    ({ id, record }) => id !== except && isNeighbour(record),
  )
  const sharers = tenants.filter(({ record }) => livesIn(record, pin))
  return { servers, tenants, sharers }
}

async function provisionedDatabases(session: Session): Promise<Set<string>> {
  const rows = await session.rows(
    z.object({ name: z.string() }),
    `select datname::pg_catalog.text as name from pg_catalog.pg_database
      where datname operator(pg_catalog.~) '^t_[a-z2-7]{26}$'`,
  )
  return new Set(rows.map(({ name }) => name))
}

/** Of a tenant of the same cluster: whether its database is the one of this pin, renamed or not. */
export function livesIn({ route, identity }: TenantRecord, pin: Pin): boolean {
  if (route.database === pin.databaseName) return true
  return identity?.kind === 'pin' && isSameCluster(identity, pin) && identity.databaseOid === pin.databaseOid
}

/** Deleted ones too, as they may be had back. For lifecycle only: a request never reads them all. */
async function allTenants(registry: Registry): Promise<Entry<'tenant'>[]> {
  const tenants: Entry<'tenant'>[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await registry.list('tenant', cursor, { limit: 1000 })
    tenants.push(...page.entries)
    if (page.next === undefined) return tenants
    cursor = page.next
  }
}

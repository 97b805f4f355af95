import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { LifecycleParts } from '../parts.ts'
import { allServers, findServerEntry } from '../server/server-view.ts'
import type { Found } from './finding.ts'

/** As we name what we make: `t_`, 26 letters and digits, and for roles something after that. */
const OUR_NAME = /\bt_[a-z2-7]{26}/g

/** What the registry says. */
export interface Fleet {
  readonly registry: Registry
  /** All of them: two on record may be one cluster. */
  readonly servers: readonly Entry<'server'>[]
  /** Those that are looked at. */
  readonly wanted: readonly Entry<'server'>[]
  /** Tenants by the server of their route, of those that are looked at. */
  readonly tenants: ReadonlyMap<string, readonly Entry<'tenant'>[]>
  /** Operations that run or failed. */
  readonly operations: readonly Entry<'operation'>[]
  /** Databases that anything on record names: a tenant, a spare, a template, an operation that is not done. */
  readonly databases: ReadonlySet<string>
  /** Whether all is looked at, or one server alone. */
  readonly isWhole: boolean
}

/** One subject, of the registry alone. */
export interface FleetCheck {
  readonly name: string
  run(parts: LifecycleParts, fleet: Fleet): Iterable<Found> | Promise<Iterable<Found>>
}

/** @throws {ServerUnknownError | RegistryUnavailableError} */
export async function readFleet(registry: Registry, server: string | undefined): Promise<Fleet> {
  const servers = await allServers(registry)
  const wanted = server === undefined ? servers : [await findServerEntry(registry, server)]
  const tenants = new Map<string, Entry<'tenant'>[]>(wanted.map(({ id }) => [id, []]))
  const databases = new Set<string>()
  for await (const entry of everyEntry(registry, 'tenant')) {
    const { server: home, database, role } = entry.record.route
    databases.add(database)
    // The roles of one that was adopted are not named after its database.
    for (const [name] of role.matchAll(OUR_NAME)) databases.add(name)
    tenants.get(home)?.push(entry)
  }
  for (const { record } of servers) {
    for (const { database } of [...(record.spares?.ready ?? []), ...(record.templates ?? [])]) {
      databases.add(database)
    }
  }
  const operations: Entry<'operation'>[] = []
  for (const state of ['running', 'failed'] as const) {
    for await (const entry of everyEntry(registry, 'operation', { state })) {
      operations.push(entry)
      for (const [name] of JSON.stringify(entry.record.data).matchAll(OUR_NAME)) databases.add(name)
    }
  }
  return { registry, servers, wanted, tenants, operations, databases, isWhole: server === undefined }
}

/** All tenants that are looked at. */
export function tenantsOf({ tenants }: Fleet): Entry<'tenant'>[] {
  return [...tenants.values()].flat()
}

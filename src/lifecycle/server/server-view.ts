import { ServerUnknownError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { Endpoint, ServerRecord } from '../../registry/server-record.ts'

/** A server as operators see it: no password, no key, no certificate. */
export interface ServerView {
  readonly id: string
  readonly endpoints: readonly Endpoint[]
  readonly tls: ServerRecord['tls']['mode']
  readonly via: ServerRecord['via']
  /** The role that provisions here; null where nothing is provisioned. */
  readonly admin: string | null
  readonly budget: ServerRecord['budget']
  readonly labels: ServerRecord['labels']
  /** No new tenants are made there. */
  readonly draining: boolean
  /** Names of those that are made. */
  readonly templates: readonly string[]
  /** Databases that wait for a tenant: how many there are, and are to be. */
  readonly spares: { readonly ready: number; readonly count: number }
  readonly revision: number
  readonly createdAt: string
  readonly updatedAt: string
}

export function viewServer(record: ServerRecord, revision: number): ServerView {
  return {
    id: record.id,
    endpoints: record.endpoints,
    tls: record.tls.mode,
    via: record.via,
    admin: record.admin?.role ?? null,
    budget: record.budget,
    labels: record.labels,
    draining: record.draining ?? false,
    templates: (record.templates ?? []).filter(({ operation }) => operation === null).map(({ name }) => name),
    spares: { ready: record.spares?.ready.length ?? 0, count: record.spares?.count ?? 0 },
    revision,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
  }
}

export async function listServers(registry: Registry): Promise<ServerView[]> {
  return (await allServers(registry)).map(({ record, revision }) => viewServer(record, revision))
}

/** There are few servers, unlike tenants. */
export async function allServers(registry: Registry): Promise<Entry<'server'>[]> {
  const entries: Entry<'server'>[] = []
  for await (const entry of everyEntry(registry, 'server')) entries.push(entry)
  return entries
}

/** @throws {ServerUnknownError} */
export async function findServerEntry(registry: Registry, id: string): Promise<Entry<'server'>> {
  const entry = await registry.find('server', id)
  if (entry === undefined) throw new ServerUnknownError(`server ${id} is not in the registry`)
  return entry
}

/** @throws {ServerUnknownError} */
export async function findServer(registry: Registry, id: string): Promise<ServerRecord> {
  return (await findServerEntry(registry, id)).record
}

import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { type Cluster, isSameCluster, primaryOf, type ServerRecord } from '../../registry/server-record.ts'
import { auditEntry, now } from '../parts.ts'

/** What a login saw, and of what was refused to it, what an earlier one saw there. */
export function clusterSeen(seen: Cluster, before: Cluster | undefined): Cluster {
  return {
    systemIdentifier: seen.systemIdentifier ?? before?.systemIdentifier ?? null,
    serverAddress: seen.serverAddress ?? before?.serverAddress ?? null,
  }
}

/** Whether another server on record is the cluster that was seen through `own`. */
export function isOneServer(other: ServerRecord, own: ServerRecord, seen: Cluster): boolean {
  if (other.id === own.id) return true
  if (other.cluster !== undefined && isSameCluster(other.cluster, seen)) return true
  const isDecided = seen.systemIdentifier !== null && typeof other.cluster?.systemIdentifier === 'string'
  return !isDecided && primaryOf(other) === primaryOf(own)
}

/** Every server on record that is the cluster that was seen through `own`. */
export async function serversOf(
  registry: Registry,
  own: ServerRecord,
  seen: Cluster,
): Promise<Entry<'server'>[]> {
  const like = { id: own.id, cluster: seen, primary: primaryOf(own) }
  const found: Entry<'server'>[] = []
  for await (const entry of everyEntry(registry, 'server', { like })) {
    if (isOneServer(entry.record, own, seen)) found.push(entry)
  }
  return found
}

/** Whether the registry holds the server and which cluster it is. */
export function isSettled({ revision, record }: Entry<'server'>, seen: Cluster): boolean {
  const { cluster } = record
  if (revision === 0 || cluster === undefined) return false
  if (seen.systemIdentifier !== null) return cluster.systemIdentifier === seen.systemIdentifier
  return cluster.systemIdentifier !== null || cluster.serverAddress === seen.serverAddress
}

/**
 * Puts on record which cluster a server is, and the server where it is new. In a commit of its own, before
 * anybody's neighbours are looked at: of two who begin on one cluster by two names, at least one then finds
 * the other's server and takes its turn there.
 * @throws {RevisionConflictError}
 */
export async function settleServer(
  registry: Registry,
  { id, revision, record }: Entry<'server'>,
  seen: Cluster,
  actor: string,
): Promise<void> {
  const settled = { ...record, cluster: clusterSeen(seen, record.cluster), updatedAt: now() }
  const audit = auditEntry(actor, revision === 0 ? 'server.add' : 'server.recognise', id)
  await registry.commit({ puts: [{ kind: 'server', id, record: settled }], audit }, [
    { kind: 'server', id, revision },
  ])
}

import { tenantOf } from './record-schema.ts'
import type { Entry, Kind, ListFilter, Put, ServerLike } from './registry.ts'
import { isSameCluster, primaryOf, type ServerRecord } from './server-record.ts'
import { isThere } from './vicinity.ts'

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 100

export function pageSize(filter: { readonly limit?: number } | undefined): number {
  return Math.min(Math.max(filter?.limit ?? DEFAULT_PAGE, 1), MAX_PAGE)
}

/** Whether an entry passes, for backends that cannot ask their store. */
export function passing(filter: ListFilter = {}): (entry: Entry<Kind>) => boolean {
  const isNear = filter.near && isThere(filter.near)
  return (entry) => {
    const { kind, record } = entry as Put // an entry's kind and record belong together
    return passes(entry, filter) && (kind !== 'tenant' || isNear === undefined || isNear(record))
  }
}

function passes(entry: Entry<Kind>, filter: ListFilter): boolean {
  const { kind, record } = entry as Put // an entry's kind and record belong together
  if (filter.tenant !== undefined && kind !== 'tenant' && kind !== 'server') {
    if (tenantOf({ kind, record }) !== filter.tenant) return false
  }
  if (kind === 'operation' && filter.state !== undefined && record.state !== filter.state) return false
  if (kind === 'server' && filter.like !== undefined) return isLike(record, filter.like)
  if (kind !== 'tenant') return true
  if (filter.status !== undefined && record.status !== filter.status) return false
  if (filter.server !== undefined && record.route.server !== filter.server) return false
  if (filter.database !== undefined && record.route.database !== filter.database) return false
  if (filter.role !== undefined && record.route.role !== filter.role) return false
  if (filter.prefix !== undefined && !record.id.startsWith(filter.prefix)) return false
  return Object.entries(filter.labels ?? {}).every(([name, value]) => record.labels[name] === value)
}

function isLike(record: ServerRecord, { id, cluster, primary }: ServerLike): boolean {
  if (record.id === id || primaryOf(record) === primary) return true
  return record.cluster !== undefined && isSameCluster(record.cluster, cluster)
}

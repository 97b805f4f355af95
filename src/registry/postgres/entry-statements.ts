import type { Statement } from '../../connection/connection.ts'
import { pageSize } from '../list-filter.ts'
import type { Kind, ListFilter } from '../registry.ts'

const COLUMNS = 'id, revision::text, record::text'

/*
 * The kind stands in the text, not among the parameters: the indexes on parts of tenant records are partial
 * by kind, and a plan made for any kind could not use them.
 */

export function findStatement(kind: Kind, id: string): Statement {
  return {
    text: `select ${COLUMNS} from tenantry_registry.entry where kind = '${kind}' and id = $1`,
    params: [id],
  }
}

export function findTenantByAliasStatement(aliasId: string): Statement {
  return {
    text: `select t.id, t.revision::text, t.record::text
      from tenantry_registry.entry a join tenantry_registry.entry t on t.kind = 'tenant' and t.id = a.tenant
      where a.kind = 'alias' and a.id = $1`,
    params: [aliasId],
  }
}

/** One entry more than the page's `size`, where there is one. */
export function listStatement(
  kind: Kind,
  cursor: string | undefined,
  filter: ListFilter,
): { statement: Statement; size: number } {
  const params: unknown[] = []
  const conditions = [`kind = '${kind}'`]
  const where = (condition: (param: string) => string, value: unknown) => {
    params.push(value)
    conditions.push(condition(`$${params.length}`))
  }
  if (cursor !== undefined) where((param) => `id > ${param}`, cursor)
  if (kind === 'tenant') {
    if (filter.status !== undefined)
      where((param) => `(record ->> 'status') collate "C" = ${param}`, filter.status)
    if (filter.server !== undefined)
      where((param) => `(record -> 'route' ->> 'server') collate "C" = ${param}`, filter.server)
    if (filter.prefix !== undefined) {
      where((param) => `id >= ${param}`, filter.prefix)
      // Beyond every character that an id may have.
      where((param) => `id < ${param}`, `${filter.prefix}~`)
    }
    const labels = Object.entries(filter.labels ?? {}).map(([name, value]) => `${name}=${value}`)
    if (labels.length > 0) where((param) => `labels @> ${param}::text[]`, labels)
  } else if (kind !== 'server' && filter.tenant !== undefined)
    where((param) => `tenant = ${param}`, filter.tenant)
  if (kind === 'operation' && filter.state !== undefined)
    where((param) => `(record ->> 'state') collate "C" = ${param}`, filter.state)
  const size = pageSize(filter)
  params.push(size + 1)
  const page = `from tenantry_registry.entry where ${conditions.join(' and ')} order by id limit $${params.length}`
  // Of a label that neither few nor most have, the ids are found in an index alone, and only a page of records is read.
  const isByLabel = kind === 'tenant' && Object.keys(filter.labels ?? {}).length > 0
  const ofIds = `from tenantry_registry.entry where kind = '${kind}' and id = any (array(select id ${page})) order by id`
  return {
    statement: {
      text: `select ${COLUMNS} ${isByLabel ? ofIds : page}`,
      params,
      // Planned for these values each time: whether an index helps depends on how rare they are.
      prepare: false,
    },
    size,
  }
}

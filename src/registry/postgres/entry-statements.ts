import type { Statement } from '../../connection/connection.ts'
import { pageSize } from '../list-filter.ts'
import type { Kind, ListFilter } from '../registry.ts'
import { DATABASE, isLike, placesIn, ROLE, SERVER } from './places.ts'

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
    if (filter.server !== undefined) where((param) => `${SERVER} = ${param}`, filter.server)
    if (filter.database !== undefined) where((param) => `${DATABASE} = ${param}`, filter.database)
    if (filter.role !== undefined) where((param) => `${ROLE} = ${param}`, filter.role)
    if (filter.prefix !== undefined) {
      where((param) => `id >= ${param}`, filter.prefix)
      // Beyond every character that an id may have.
      where((param) => `id < ${param}`, `${filter.prefix}~`)
    }
    const labels = Object.entries(filter.labels ?? {}).map(([name, value]) => `${name}=${value}`)
    if (labels.length > 0) where((param) => `labels @> ${param}::text[]`, labels)
  } else if (kind === 'server') {
    if (filter.like !== undefined) conditions.push(isLike(filter.like, (value) => `$${params.push(value)}`))
  } else if (filter.tenant !== undefined) where((param) => `tenant = ${param}`, filter.tenant)
  if (kind === 'operation' && filter.state !== undefined)
    where((param) => `(record ->> 'state') collate "C" = ${param}`, filter.state)
  const size = pageSize(filter)
  const add = (value: unknown) => `$${params.push(value)}`
  const places = kind === 'tenant' && filter.near ? placesIn(filter.near, add) : undefined
  const matching = (more: readonly string[] = []) =>
    `from tenantry_registry.entry where ${[...conditions, ...more].join(' and ')}`
  const page = `order by id limit ${add(size + 1)}`
  // Of a label that neither few nor most have, the ids are found in an index alone, and only a page of records is read.
  const isByLabel = kind === 'tenant' && Object.keys(filter.labels ?? {}).length > 0
  // Each place by an index of its own: all at once, the planner may rather walk through every tenant in order.
  const ids = places
    ? `select id from (${places.map((place) => `select id ${matching([place])}`).join(' union ')}) as found ${page}`
    : `select id ${matching()} ${page}`
  const isByIds = isByLabel || places !== undefined
  const found = isByIds
    ? `from tenantry_registry.entry where kind = '${kind}' and id = any (array(${ids})) order by id`
    : `${matching()} ${page}`
  return {
    statement: {
      text: `select ${COLUMNS} ${found}`,
      params,
      // Planned for these values each time: whether an index helps depends on how rare they are.
      prepare: false,
    },
    size,
  }
}

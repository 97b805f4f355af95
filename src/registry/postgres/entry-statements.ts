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
  const add = (value: unknown) => `$${params.push(value)}`
  const conditions = conditionsOf(kind, cursor, filter, add)
  const size = pageSize(filter)
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

/** What each entry meets, but for the vicinity. @param add takes a value, and gives the parameter that stands for it. */
function conditionsOf(
  kind: Kind,
  cursor: string | undefined,
  { status, server, database, role, prefix, labels = {}, like, tenant, state }: ListFilter,
  add: (value: unknown) => string,
): string[] {
  const conditions = [`kind = '${kind}'`]
  if (cursor !== undefined) conditions.push(`id > ${add(cursor)}`)
  if (kind === 'tenant') {
    if (status !== undefined) conditions.push(`(record ->> 'status') collate "C" = ${add(status)}`)
    if (server !== undefined) conditions.push(`${SERVER} = ${add(server)}`)
    if (database !== undefined) conditions.push(`${DATABASE} = ${add(database)}`)
    if (role !== undefined) conditions.push(`${ROLE} = ${add(role)}`)
    // Up to beyond every character that an id may have.
    if (prefix !== undefined) conditions.push(`id >= ${add(prefix)}`, `id < ${add(`${prefix}~`)}`)
    const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    if (wanted.length > 0) conditions.push(`labels @> ${add(wanted)}::text[]`)
  } else if (kind === 'server') {
    if (like !== undefined) conditions.push(isLike(like, add))
  } else if (tenant !== undefined) conditions.push(`tenant = ${add(tenant)}`)
  if (kind === 'operation' && state !== undefined)
    conditions.push(`(record ->> 'state') collate "C" = ${add(state)}`)
  return conditions
}

import type { Statement, StatementResult } from '../../connection/connection.ts'
import {
  type KeptAudit,
  NO_HEAD,
  type TrailEntry,
  type TrailFilter,
  type TrailPage,
} from '../audit/audit-trail.ts'
import { pageSize } from '../list-filter.ts'

/** One entry more than the page's size, where there is one, each with the head: all from one moment. */
export function trailStatement(cursor: string | undefined, filter: TrailFilter): Statement {
  const params: unknown[] = []
  const conditions = ['true']
  const where = (condition: (param: string) => string, value: string) => {
    params.push(value)
    conditions.push(condition(`$${params.length}`))
  }
  const isOldest = filter.order === 'oldest'
  const after = cursor !== undefined && /^\d{1,18}$/.test(cursor) ? cursor : undefined
  if (after !== undefined) where((param) => `seq ${isOldest ? '>' : '<'} ${param}::text::bigint`, after)
  const { tenant, action, actor, since } = filter
  if (tenant !== undefined) {
    // Entries from before version 2 have no tenant beside the target.
    const isOld = (param: string) => `tenant is null and target = ${param} and starts_with(action, 'tenant.')`
    where((param) => `(tenant = ${param} or ${isOld(param)})`, tenant)
  }
  if (action !== undefined) {
    // Of a text that begins with "x.", in an order by bytes: from that to what begins with the next character.
    const name = 'action collate "C"'
    const isBelow = (param: string) => `(${name} >= ${param} || '.' and ${name} < ${param} || '/')`
    where((param) => `(${name} = ${param} or ${isBelow(param)})`, action)
  }
  if (actor !== undefined) where((param) => `actor = ${param}`, actor)
  if (since !== undefined) where((param) => `at >= ${param}::text::timestamptz`, since)
  const order = isOldest ? 'asc' : 'desc'
  params.push(pageSize(filter) + 1)
  return {
    text: `select r.audit_link::text as "headLink", r.audit_mac as "headMac", a.*
      from tenantry_registry.registry r left join lateral (
        select seq::text as position, revision::text, actor, action, target, tenant, detail::text,
          to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at, kid, link::text, previous, mac
        from tenantry_registry.audit where ${conditions.join(' and ')}
        order by seq ${order} limit $${params.length}
      ) a on true
      order by a.position::bigint ${order}`,
    params,
    prepare: false,
  }
}

/** A row of the statement above. */
type Row = { readonly headLink: string; readonly headMac: string } & (
  | { readonly position: null }
  | {
      readonly position: string
      readonly revision: string
      readonly actor: string
      readonly action: string
      readonly target: string
      readonly tenant: string | null
      readonly detail: string
      readonly at: string
      readonly kid: string | null
      readonly link: string | null
      readonly previous: string | null
      readonly mac: string | null
    }
)

export function trailPageOf({ rows }: StatementResult, filter: TrailFilter): TrailPage {
  const read = rows as unknown as Row[] // the columns of the statement above
  const size = pageSize(filter)
  const found = read.flatMap((row) => (row.position === null ? [] : [entryOf(row)]))
  const entries = found.slice(0, size)
  const [first] = read
  return {
    entries,
    next: found.length > size ? entries.at(-1)?.position : undefined,
    head: first === undefined ? NO_HEAD : { link: Number(first.headLink), mac: first.headMac },
  }
}

function entryOf({ position, ...row }: Exclude<Row, { position: null }>): TrailEntry {
  const { kid, link, previous, mac } = row
  const parts = [kid, link, previous, mac]
  // Some of the four without the others is no seal, and not the work of a process without the key either.
  if (parts.some((part) => part === null) && parts.some((part) => part !== null))
    return { position, audit: undefined }
  const audit: KeptAudit = {
    revision: Number(row.revision),
    actor: row.actor,
    action: row.action,
    target: row.target,
    tenant: row.tenant,
    at: isoOf(row.at),
    detail: JSON.parse(row.detail) as KeptAudit['detail'], // as `commit` was given it
    seal:
      kid === null || link === null || previous === null || mac === null
        ? null
        : { kid, link: Number(link), previous, mac },
  }
  return { position, audit }
}

/** Entries have milliseconds; what is beyond them stays, as it is not what was sealed. */
function isoOf(withMicroseconds: string): string {
  return `${withMicroseconds.replace(/000$/, '')}Z`
}

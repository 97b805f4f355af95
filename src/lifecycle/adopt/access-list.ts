import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'

/** One right of an access list. */
export const Grant = z.strictObject({
  /** Null: PUBLIC, every role of the server. */
  grantee: z.string().nullable(),
  grantor: z.string(),
  privilege: z.string(),
  grantable: z.boolean(),
})
export type Grant = z.output<typeof Grant>

export interface AccessList {
  readonly owner: string
  /** As Postgres keeps them, in order; where it keeps none, those that hold then. */
  readonly grants: readonly Grant[]
}

/** What has an access list that adoption changes. */
export interface Place {
  readonly kind: 'database' | 'schema'
  readonly name: string
}

const LISTS = {
  database: `select d.datdba as owner, coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba)) as acl
               from pg_catalog.pg_database d where d.datname = `,
  schema: `select n.nspowner as owner, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
             from pg_catalog.pg_namespace n where n.nspname = `,
} as const satisfies Record<Place['kind'], string>

const Row = z.object({
  owner: z.string(),
  grantee: z.string().nullable(),
  grantor: z.string().nullable(),
  privilege: z.string().nullable(),
  grantable: z.boolean().nullable(),
})

/** Undefined where there is no such place. */
export async function readAccess(session: Session, { kind, name }: Place): Promise<AccessList | undefined> {
  const rows = await session.rows(
    Row,
    `select pg_catalog.pg_get_userbyid(x.owner)::pg_catalog.text as owner,
            case when a.grantee <> 0 then pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end as grantee,
            pg_catalog.pg_get_userbyid(a.grantor)::pg_catalog.text as grantor,
            a.privilege_type::pg_catalog.text as privilege, a.is_grantable as grantable
       from (${LISTS[kind]}${quoteText(name)}) x
       left join lateral pg_catalog.aclexplode(x.acl) with ordinality
              as a(grantor, grantee, privilege_type, is_grantable, place) on true
      order by a.place`,
  )
  const [first] = rows
  if (first === undefined) return undefined
  const grants = rows.flatMap(({ grantee, grantor, privilege, grantable }) =>
    grantor === null || privilege === null
      ? []
      : [{ grantee, grantor, privilege, grantable: grantable === true }],
  )
  return { owner: first.owner, grants }
}

/**
 * Makes an access list what it was, down to the order of its entries, in one transaction: nobody is locked out
 * meanwhile. What others than the owner granted is left alone.
 */
export async function restoreAccess(session: Session, place: Place, wanted: readonly Grant[]): Promise<void> {
  await session.transaction(async () => {
    const present = await readAccess(session, place)
    if (present === undefined) throw new InternalError(`${place.kind} ${place.name} is not there`)
    for (const statement of restoringStatements(place, present, wanted)) await session.execute(statement)
  })
}

function restoringStatements(
  { kind, name }: Place,
  { owner, grants: present }: AccessList,
  wanted: readonly Grant[],
): string[] {
  if (JSON.stringify(present) === JSON.stringify(wanted)) return []
  const on = `on ${kind} ${quoteName(name)}`
  const grant = ({ grantee, privilege, grantable }: Grant) =>
    `grant ${privilege} ${on} to ${roleOrPublic(grantee)}${grantable ? ' with grant option' : ''}`
  if ([...present, ...wanted].every(({ grantor }) => grantor === owner)) {
    const grantees = new Set(present.map(({ grantee }) => grantee))
    return [
      ...[...grantees].map((grantee) => `revoke all ${on} from ${roleOrPublic(grantee)}`),
      ...wanted.map(grant),
    ]
  }
  // With a grant of a grantee's own on top of it, a right cannot be taken away and given back.
  const ours = ({ grantor }: Grant) => grantor === owner
  const added = present.filter((one) => ours(one) && !holds(wanted, one))
  const missing = wanted.filter((one) => ours(one) && !holds(present, one))
  const revoke = ({ grantee, privilege }: Grant) => `revoke ${privilege} ${on} from ${roleOrPublic(grantee)}`
  return [...added.map(revoke), ...missing.map(grant)]
}

export function holds(
  grants: readonly Grant[],
  { grantee, privilege }: Pick<Grant, 'grantee' | 'privilege'>,
): boolean {
  return grants.some((one) => one.grantee === grantee && one.privilege === privilege)
}

function roleOrPublic(grantee: string | null): string {
  return grantee === null ? 'public' : quoteName(grantee)
}

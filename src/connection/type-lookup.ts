import type { OwnTypes, TypeAnswer } from './own-types.ts'

/** A session in which the catalog can be asked, between two statements of its user. */
export interface LookupSession {
  readonly watch: { readonly transaction: 'idle' | 'open' | 'failed' }
  /** Runs a text of ours; resolves the rows of its last statement. */
  command(text: string): Promise<readonly unknown[]>
}

/** An array of arrays goes through domains, of which each needs a statement to make. */
const MAX_DEPTH = 4
const SAVEPOINT = '"tenantry type look-up"'

/**
 * Learns what the types are that the database made itself. Never rejects: a type that could not be looked up
 * stays unknown. In a transaction it undoes what it may have broken.
 */
export async function lookUpTypes(
  types: OwnTypes,
  wanted: readonly number[],
  session: LookupSession,
): Promise<void> {
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const missing = types.missing(wanted)
    if (missing.length === 0 || !(await askFor(types, missing, session))) return
  }
}

/** @returns whether anything was learnt. */
async function askFor(types: OwnTypes, oids: readonly number[], session: LookupSession): Promise<boolean> {
  if (session.watch.transaction === 'failed') return false
  const isInTransaction = session.watch.transaction === 'open'
  try {
    const rows = await session.command(
      `${isInTransaction ? `savepoint ${SAVEPOINT}; ` : ''}${question(oids)}`,
    )
    if (isInTransaction) await session.command(`release savepoint ${SAVEPOINT}`)
    // The columns are those of the question.
    types.learn(rows as readonly TypeAnswer[])
    return rows.length > 0
  } catch {
    if (isInTransaction) await undo(session)
    return false
  }
}

/** What could not be undone the server says to the user's next statement. */
async function undo(session: LookupSession): Promise<void> {
  const text = `rollback to savepoint ${SAVEPOINT}; release savepoint ${SAVEPOINT}`
  await session.command(text).catch(() => undefined)
}

/**
 * It runs in a session whose search_path is its user's, so every name says its schema, operators too.
 * Of a domain it finds what is below, however deep. Each type that is there has a row, if it is an array or not.
 */
function question(oids: readonly number[]): string {
  const asked = `any ('{${oids.join(',')}}'::pg_catalog.oid[])`
  return `
    with recursive below as (
      select a.oid as wanted, e.typdelim as delimiter, e.oid, e.typbasetype, e.typelem
        from pg_catalog.pg_type a
        join pg_catalog.pg_type e
          on e.oid operator(pg_catalog.=) a.typelem and e.typarray operator(pg_catalog.=) a.oid
       where a.oid operator(pg_catalog.=) ${asked}
      union all
      select below.wanted, below.delimiter, b.oid, b.typbasetype, b.typelem
        from below
        join pg_catalog.pg_type b on b.oid operator(pg_catalog.=) below.typbasetype
    )
    select t.oid as "oid", below.oid as "element", below.delimiter::pg_catalog.text as "delimiter",
           exists (select 1 from pg_catalog.pg_type e
                    where e.oid operator(pg_catalog.=) below.typelem
                      and e.typarray operator(pg_catalog.=) below.oid
                      and below.oid operator(pg_catalog.>=) '16384'::pg_catalog.oid) as "isNested"
      from pg_catalog.pg_type t
      left join below
        on below.wanted operator(pg_catalog.=) t.oid
       and below.typbasetype operator(pg_catalog.=) '0'::pg_catalog.oid
     where t.oid operator(pg_catalog.=) ${asked}`
}

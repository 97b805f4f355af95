import { z } from 'zod'
import { SqlError } from '../errors.ts'
import type { Session } from '../lifecycle/session.ts'
import { quoteName, quoteText } from '../lifecycle/sql-name.ts'

/** Templates of earlier schemas that are kept, newest first. */
const KEPT_TEMPLATES = 8
const Name = z.object({ name: z.string() })

/**
 * Drops databases and roles of runs whose session is gone, and the oldest templates that no run works with. What
 * somebody else is at, stays for the next time.
 * @param prefix of every name: a run's number follows, or `template_` and a digest.
 */
export async function dropLeftovers(session: Session, prefix: string): Promise<void> {
  const like = quoteText(`^${prefix}[0-9]{10}_`)
  // A session is named after its run and its template.
  const isOver = (name: string) => `not exists (select from pg_catalog.pg_stat_activity a
    where pg_catalog.starts_with(a.application_name, pg_catalog.substring(${name}, ${like})))`
  const databases = await session.rows(
    Name,
    `select d.datname::text as name from pg_catalog.pg_database d
      where d.datname ~ ${like} and ${isOver('d.datname::text')}`,
  )
  const roles = await session.rows(
    Name,
    `select r.rolname::text as name from pg_catalog.pg_roles r
      where r.rolname ~ ${like} and ${isOver('r.rolname::text')}`,
  )
  const templates = await session.rows(
    Name,
    `select t.name from (
       select d.datname::text as name from pg_catalog.pg_database d
        where d.datname ~ ${quoteText(`^${prefix}template_[0-9a-f]{16}$`)}
        order by d.oid desc offset ${KEPT_TEMPLATES}) t
      where not exists (select from pg_catalog.pg_stat_activity a
        where pg_catalog.starts_with(a.application_name, ${quoteText(prefix)})
          and pg_catalog.right(a.application_name, 16) = pg_catalog.right(t.name, 16))`,
  )
  for (const { name } of [...databases, ...templates]) await drop(session, 'database', name)
  for (const { name } of roles) await drop(session, 'role', name)
}

async function drop(session: Session, what: 'database' | 'role', name: string): Promise<void> {
  try {
    await session.execute(`drop ${what} if exists ${quoteName(name)}`)
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
  }
}

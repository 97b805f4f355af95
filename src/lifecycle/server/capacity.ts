import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import type { ServerBudget } from '../../registry/server-record.ts'
import type { Session } from '../session.ts'

export const OLDEST_VERSION = 15
export const NEWEST_VERSION = 18

/** Of what ordinary roles may have, the share that tenants get where nobody says how much: others connect too. */
const DEFAULT_SHARE = 0.7

const Facts = z.object({
  version: z.int(),
  maxConnections: z.int(),
  reserved: z.int(),
  roleLimit: z.int(),
})

export interface Capacity {
  /** Major version of Postgres. */
  readonly version: number
  readonly maxConnections: number
  /** Of those, how many an ordinary role can have: without the slots kept for superusers and reserved roles. */
  readonly usable: number
  /** CONNECTION LIMIT of the login that asked; undefined without one. */
  readonly roleLimit: number | undefined
}

/** @throws {PreconditionFailedError} for a version that nobody has tested. */
export async function measureCapacity(session: Pick<Session, 'row'>): Promise<Capacity> {
  const facts = await session.row(
    Facts,
    `select pg_catalog.current_setting('server_version_num')::int as version,
       pg_catalog.current_setting('max_connections')::int as "maxConnections",
       pg_catalog.current_setting('superuser_reserved_connections')::int
         + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int as reserved,
       (select rolconnlimit from pg_catalog.pg_roles where rolname = session_user) as "roleLimit"`,
  )
  const version = Math.floor(facts.version / 10_000)
  if (version < OLDEST_VERSION || version > NEWEST_VERSION) {
    throw new PreconditionFailedError(
      `The server runs Postgres ${version}; supported are ${OLDEST_VERSION} to ${NEWEST_VERSION}.`,
    )
  }
  return {
    version,
    maxConnections: facts.maxConnections,
    usable: facts.maxConnections - facts.reserved,
    roleLimit: facts.roleLimit < 0 ? undefined : facts.roleLimit,
  }
}

/**
 * How many connections tenants may have here.
 * @throws {PreconditionFailedError} where budget and headroom together are more than the server gives.
 */
export function budgetWithin(
  capacity: Capacity,
  wanted: { readonly maxConnections: number | undefined; readonly headroom: number },
): z.output<typeof ServerBudget> {
  const { usable, maxConnections: total } = capacity
  const { headroom } = wanted
  const room = usable - headroom
  const maxConnections = wanted.maxConnections ?? Math.floor(room * DEFAULT_SHARE)
  if (maxConnections < 1 || maxConnections > room) {
    throw new PreconditionFailedError(
      `A budget of ${maxConnections} and a headroom of ${headroom} do not fit: the server has max_connections ${total}, ` +
        `of which ${total - usable} are reserved, so ${Math.max(0, room)} is the most the budget can be.`,
    )
  }
  return { maxConnections, headroom }
}

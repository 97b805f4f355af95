import { TenantryError } from '../../../src/errors.ts'
import type { Lease } from '../../../src/router/lease.ts'
import type { World } from '../../support/world.ts'

/** Names that tell whose something is: of tenants, of their databases, and of their roles. */
const TENANT = /\btenant-\d+\b/g
const PLACE = /\bt_(?:db|role)_[0-9a-f]{32}/g

export class CrossingError extends Error {}

/** Throws where a text names another tenant, or its database or role. */
export function expectOwn(world: World, tenant: string, text: string): void {
  const { database, role } = world.placeOf(tenant)
  for (const name of text.match(TENANT) ?? []) {
    if (name !== tenant) throw new CrossingError(`${tenant} was told of ${name}: ${text}`)
  }
  for (const name of text.match(PLACE) ?? []) {
    if (name !== database && name !== role) throw new CrossingError(`${tenant} was told of ${name}: ${text}`)
  }
}

/** As `expectOwn`, of everything that a caller can read in an error. */
export function expectOwnError(world: World, tenant: string, error: unknown): void {
  for (let one = error; one instanceof Error; one = one.cause) {
    // It names both contexts on purpose, for the log; a caller reads the detail.
    const isNested = one instanceof TenantryError && one.code === 'nested_lease'
    const detail = one instanceof TenantryError ? one.publicDetail : ''
    const fields = JSON.stringify(
      one,
      Object.getOwnPropertyNames(one).filter((name) => name !== 'cause'),
    )
    expectOwn(world, tenant, isNested ? detail : `${fields} ${detail}`)
  }
}

/** Of the login that rotation goes to; it begins with the name of the first. */
export const secondRole = (role: string) => `${role}_b`

export const WHERE = `select pg_catalog.current_database()::text as db, current_user::text as role,
  (select string_agg(distinct tenant, ',') from notes) as tenant`

export function expectHere(world: World, tenant: string, rows: readonly unknown[]): void {
  const { database, role } = world.placeOf(tenant)
  const isOwn = [role, secondRole(role)].some(
    (name) => JSON.stringify(rows) === JSON.stringify([{ db: database, role: name, tenant }]),
  )
  if (!isOwn) {
    throw new CrossingError(`${tenant} is at ${JSON.stringify(rows)}`)
  }
}

/** All 20 rows with their bodies, and nobody else's. */
export function expectWhole(tenant: string, rows: readonly unknown[]): void {
  if (rows.length !== 20) throw new CrossingError(`${tenant} read ${rows.length} rows, not 20`)
  for (const [index, row] of rows.entries()) {
    const own = { id: index + 1, tenant, body: `${tenant} `.repeat(index + 1) }
    if (JSON.stringify(row) !== JSON.stringify(own))
      throw new CrossingError(`${tenant} read at row ${index}: ${JSON.stringify(row)}`)
  }
}

const TRACES = `select pg_catalog.current_setting('app.tenant', true) as setting,
  (select pg_catalog.string_agg(name || ' ' || statement, ' ') from pg_catalog.pg_prepared_statements) as prepared,
  pg_catalog.to_regclass('pg_temp.mark')::text as mark,
  (select pg_catalog.count(*) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid())::int as locks,
  pg_catalog.pg_backend_pid() as pid`

interface Traces {
  readonly setting: string | null
  readonly prepared: string | null
  readonly mark: string | null
  readonly locks: number
  readonly pid: number
}

/** What earlier users of this connection left, which may be of the same tenant only; after foreign SQL, nothing. */
export async function expectNoTraces(world: World, lease: Lease, tenant: string): Promise<void> {
  const { rows } = await lease.run({ text: TRACES, prepare: false })
  const [found] = rows as readonly unknown[] as readonly Traces[] // what the statement says
  if (!found) throw new CrossingError('no traces to read')
  expectOwn(world, tenant, JSON.stringify(found))
  const isBare = !found.setting && found.prepared === null && found.mark === null && found.locks === 0
  if (lease.trust === 'foreign' && !isBare) {
    throw new CrossingError(`${tenant} found as foreign ${JSON.stringify(found)}`)
  }
  if (found.mark !== null) {
    const { rows: marks } = await lease.run({ text: 'select tenant from pg_temp.mark', prepare: false })
    expectOwn(world, tenant, JSON.stringify(marks))
  }
}

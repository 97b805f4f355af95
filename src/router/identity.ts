import type { Connection, StatementResult } from '../connection/connection.ts'
import { IdentityMismatchError, IdentityUnknownError, TenantryError } from '../errors.ts'
import type { Identity, TenantRecord } from '../tenant/tenant-record.ts'

/*
 * The first statements of every session run in it before its first user's, and under a search_path that the
 * role may have set for itself (`ALTER ROLE … SET search_path = public, pg_catalog`). So every name in them says
 * its schema, operators and types too: an unqualified one is code of whoever used the database last.
 */

const STAMP =
  'select tenant_id, generation::pg_catalog.text, incarnation::pg_catalog.text, state from tenantry.stamp'

/** One row: what a database is, whatever it is called. `%s` is the system identifier, which some servers refuse. */
const DATABASE = `
  select %s as system_identifier,
         pg_catalog.host(pg_catalog.inet_server_addr()) operator(pg_catalog.||) ':'::pg_catalog.text
           operator(pg_catalog.||) pg_catalog.inet_server_port()::pg_catalog.text as server_address,
         d.oid::pg_catalog.text as database_oid,
         d.datname as database_name
    from pg_catalog.pg_database d
   where d.datname operator(pg_catalog.=) pg_catalog.current_database()`
const WITH_IDENTIFIER = DATABASE.replace(
  '%s',
  '(select s.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() s)',
)
const WITHOUT_IDENTIFIER = DATABASE.replace('%s', 'null::pg_catalog.text')
/**
 * The same without looking into a table: planned and run in a fifth of the time, in a backend that knows none yet. The
 * last folder on the way to pg_class (1259) is named by the database's oid, in whatever tablespace it is.
 */
const AT_A_GLANCE = `
  select (pg_catalog.pg_control_system()).system_identifier as system_identifier,
         pg_catalog.pg_relation_filepath(1259::pg_catalog.regclass) as path,
         pg_catalog.current_database() as database_name`
const DATABASE_FOLDER = /\/(\d+)\/\d+$/

export type Pin = Extract<Identity, { kind: 'pin' }>

/** What a provisioned database says of itself. */
export interface Stamp {
  readonly tenant: string
  readonly generation: string
  readonly incarnation: string
  readonly state: string
}

/** SQLSTATEs that say: there is no stamp, or not for us to read. */
const NO_STAMP = new Set(['3F000', '42P01', '42501', '42703'])

/**
 * Proves that the connection leads to the tenant's own database.
 * @throws {IdentityMismatchError} another tenant's stamp, or one that was moved away.
 * @throws {IdentityUnknownError} no stamp or pin, or not the one on record.
 */
export async function proveIdentity(connection: Connection, record: TenantRecord): Promise<void> {
  const { identity } = record
  if (identity === null) throw unknown(record, 'the record has no stamp or pin to compare with')
  if (identity.kind === 'stamp') await proveStamp(connection, record, identity.incarnation)
  else await provePin(connection, record, identity)
}

/** What a database is, for a record to hold. Reads only; in a transaction that is open already, too. */
export async function readPin(connection: Connection): Promise<Pin> {
  const isInside = connection.transaction === 'open'
  if (isInside) await connection.run({ text: 'savepoint pin', prepare: false })
  const result = await connection.run({ text: WITH_IDENTIFIER, prepare: false }).catch((error: unknown) => {
    if (error instanceof TenantryError && error.code === 'sql_error') return undefined
    throw error
  })
  if (isInside && !result) await connection.run({ text: 'rollback to pin', prepare: false })
  return pinOf(rowOf(result ?? (await connection.run({ text: WITHOUT_IDENTIFIER, prepare: false }))))
}

/** @returns in words what is instead of one stamp, where there is none. */
export async function readStamp(connection: Connection): Promise<Stamp | string> {
  const result = await connection.run({ text: STAMP, prepare: false }).catch((error: unknown) => {
    const sqlstate = error instanceof Error && 'sqlstate' in error ? String(error.sqlstate) : ''
    if (NO_STAMP.has(sqlstate)) return undefined
    throw error
  })
  if (!result) return 'the database has no stamp'
  if (result.rows.length !== 1) return `${result.rows.length} stamps in the database`
  // The columns are those of STAMP above, none of them null.
  const row = result.rows[0] as Record<string, string>
  return {
    tenant: String(row.tenant_id),
    generation: String(row.generation),
    incarnation: String(row.incarnation),
    state: String(row.state),
  }
}

/** Why a stamp says that the database is not this tenant's, and never can be accepted as such. */
export function strangerIn(stamp: Stamp, record: TenantRecord): string | undefined {
  if (stamp.tenant !== record.id) return `the stamp is of tenant ${stamp.tenant}`
  if (stamp.state !== 'live') return `the stamp says ${stamp.state}`
  if (stamp.generation !== String(record.generation))
    return `the stamp is of generation ${stamp.generation}, the record ${record.generation}`
  return undefined
}

async function proveStamp(connection: Connection, record: TenantRecord, incarnation: string): Promise<void> {
  const stamp = await readStamp(connection)
  if (typeof stamp === 'string') throw unknown(record, stamp)
  const stranger = strangerIn(stamp, record)
  if (stranger) throw mismatch(record, stranger)
  if (stamp.incarnation !== incarnation) throw unknown(record, 'the stamp is of another incarnation')
}

async function provePin(connection: Connection, record: TenantRecord, pinned: Pin): Promise<void> {
  const found = (await glance(connection, pinned)) ?? (await lookUp(connection, pinned))
  const differs = pinDifference(pinned, found)
  if (differs) throw unknown(record, `its ${differs} is not the one it was pinned by`)
}

/** Undefined where the server does not say it so: it refuses a function, or keeps its files elsewhere. */
async function glance(connection: Connection, pinned: Pin): Promise<Pin | undefined> {
  if (pinned.systemIdentifier === null) return undefined
  const result = await connection.run({ text: AT_A_GLANCE, prepare: false }).catch((error: unknown) => {
    if (error instanceof TenantryError && error.code === 'sql_error') return undefined
    throw error
  })
  // The columns are those of AT_A_GLANCE above.
  const row = result?.rows[0] as Record<string, string | null> | undefined
  const oid = DATABASE_FOLDER.exec(row?.path ?? '')?.[1]
  return row && oid ? pinOf({ ...row, server_address: null, database_oid: oid }) : undefined
}

async function lookUp(connection: Connection, pinned: Pin): Promise<Pin> {
  const text = pinned.systemIdentifier === null ? WITHOUT_IDENTIFIER : WITH_IDENTIFIER
  return pinOf(rowOf(await connection.run({ text, prepare: false })))
}

/** What a database was pinned by and does not have; undefined where it has all. */
export function pinDifference(pinned: Pin, found: Pin): string | undefined {
  return (
    (pinned.systemIdentifier !== null && found.systemIdentifier !== pinned.systemIdentifier
      ? 'system identifier'
      : undefined) ??
    (pinned.systemIdentifier === null && found.serverAddress !== pinned.serverAddress
      ? 'server address'
      : undefined) ??
    (found.databaseOid !== pinned.databaseOid ? 'database oid' : undefined) ??
    (found.databaseName !== pinned.databaseName ? 'database name' : undefined)
  )
}

function rowOf(result: StatementResult): Record<string, string | null> {
  // The columns are those of DATABASE above.
  return result.rows[0] as Record<string, string | null>
}

function pinOf(row: Record<string, string | null>): Pin {
  return {
    kind: 'pin',
    systemIdentifier: row.system_identifier ?? null,
    serverAddress: row.server_address ?? null,
    databaseOid: Number(row.database_oid),
    databaseName: String(row.database_name),
    shared: false,
  }
}

function unknown(record: TenantRecord, why: string): IdentityUnknownError {
  return new IdentityUnknownError(`the database of tenant ${record.id} is not recognised: ${why}`)
}

function mismatch(record: TenantRecord, why: string): IdentityMismatchError {
  return new IdentityMismatchError(`tenant ${record.id} is fenced, its route leads elsewhere: ${why}`)
}

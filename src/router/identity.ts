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

export type Pin = Extract<Identity, { kind: 'pin' }>

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

/** What a database is, for a record to hold. Reads only. */
export async function readPin(connection: Connection): Promise<Pin> {
  const result = await connection.run({ text: WITH_IDENTIFIER, prepare: false }).catch((error: unknown) => {
    if (error instanceof TenantryError && error.code === 'sql_error') return undefined
    throw error
  })
  return pinOf(result ?? (await connection.run({ text: WITHOUT_IDENTIFIER, prepare: false })))
}

async function proveStamp(connection: Connection, record: TenantRecord, incarnation: string): Promise<void> {
  const result = await connection.run({ text: STAMP, prepare: false }).catch((error: unknown) => {
    const sqlstate = error instanceof Error && 'sqlstate' in error ? String(error.sqlstate) : ''
    if (NO_STAMP.has(sqlstate)) throw unknown(record, 'the database has no stamp', error)
    throw error
  })
  const stamp = result.rows[0] as Record<string, string> | undefined
  if (!stamp || result.rows.length > 1) throw unknown(record, `${result.rows.length} stamps in the database`)
  if (stamp.tenant_id !== record.id) throw mismatch(record, `the stamp is of tenant ${stamp.tenant_id}`)
  if (stamp.state !== 'live') throw mismatch(record, `the stamp says ${stamp.state}`)
  if (stamp.generation !== String(record.generation)) {
    throw mismatch(record, `the stamp is of generation ${stamp.generation}, the record ${record.generation}`)
  }
  if (stamp.incarnation !== incarnation) throw unknown(record, 'the stamp is of another incarnation')
}

async function provePin(connection: Connection, record: TenantRecord, pinned: Pin): Promise<void> {
  const text = pinned.systemIdentifier === null ? WITHOUT_IDENTIFIER : WITH_IDENTIFIER
  const found = pinOf(await connection.run({ text, prepare: false }))
  const differs =
    (pinned.systemIdentifier !== null && found.systemIdentifier !== pinned.systemIdentifier
      ? 'system identifier'
      : undefined) ??
    (pinned.systemIdentifier === null && found.serverAddress !== pinned.serverAddress
      ? 'server address'
      : undefined) ??
    (found.databaseOid !== pinned.databaseOid ? 'database oid' : undefined) ??
    (found.databaseName !== pinned.databaseName ? 'database name' : undefined)
  if (differs) throw unknown(record, `its ${differs} is not the one it was pinned by`)
}

function pinOf(result: StatementResult): Pin {
  // The columns are those of DATABASE above.
  const row = result.rows[0] as Record<string, string | null>
  return {
    kind: 'pin',
    systemIdentifier: row.system_identifier ?? null,
    serverAddress: row.server_address ?? null,
    databaseOid: Number(row.database_oid),
    databaseName: String(row.database_name),
    shared: false,
  }
}

function unknown(record: TenantRecord, why: string, cause?: unknown): IdentityUnknownError {
  return new IdentityUnknownError(`the database of tenant ${record.id} is not recognised: ${why}`, { cause })
}

function mismatch(record: TenantRecord, why: string): IdentityMismatchError {
  return new IdentityMismatchError(`tenant ${record.id} is fenced, its route leads elsewhere: ${why}`)
}

import type { ConnectionTarget } from '../../connection/connection.ts'
import { parseDsn } from '../../connection/dsn.ts'
import { openConnection } from '../../connection/open.ts'
import { NO_SCHEMAS } from '../../connection/startup-settings.ts'
import { RegistryUnavailableError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { within } from '../within.ts'
import { available } from './available.ts'
import { type MigrationMode, migrate, type SchemaChange } from './migrations.ts'

/** Of a process that brings the schema on as it starts. */
const MIGRATE_TIMEOUT_MS = 60_000

/** @throws {InvalidDsnError} */
export function targetOf(dsn: Secret, timeoutMs: number): ConnectionTarget {
  const parsed = parseDsn(dsn.reveal())
  return {
    ...parsed,
    settings: {
      application_name: 'tenantry registry',
      ...parsed.settings,
      // Every name is qualified; what others put into `public` is never meant.
      search_path: NO_SCHEMAS,
      default_transaction_isolation: 'read committed',
      default_transaction_read_only: 'off',
      statement_timeout: String(timeoutMs),
    },
  }
}

export interface SchemaTerms {
  /** Milliseconds that opening a connection may take. */
  readonly timeoutMs: number
  /** Milliseconds that the migration may take. Default: 60,000. */
  readonly migrateMs?: number
  readonly signal: AbortSignal
}

/** @throws {RegistryUnavailableError} and as `migrate`. */
export async function prepareSchema(
  target: ConnectionTarget,
  mode: MigrationMode,
  { timeoutMs, migrateMs = MIGRATE_TIMEOUT_MS, signal }: SchemaTerms,
): Promise<SchemaChange> {
  const settings = { ...target.settings, statement_timeout: String(migrateMs) }
  const opening = openConnection({ ...target, settings }, { connectTimeoutMs: timeoutMs, signal })
  const connection = await available(opening)
  const late = () => new RegistryUnavailableError(`the schema was not ready in ${migrateMs} ms`)
  const onAbort = () => connection.destroy(new RegistryUnavailableError('the opening was given up'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await available(within(migrate(connection, mode), migrateMs, late))
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (connection.isBusy) connection.destroy(late())
    else await connection.close()
  }
}

import pg from 'pg'
import { isStalePlan, type PlanEvidence } from '../../src/connection/stale-plan.ts'
import {
  InternalError,
  SqlError,
  type SqlErrorFields,
  StatementTimeoutError,
  TenantryError,
} from '../../src/errors.ts'

const QUERY_CANCELED = '57014'

export function hasStalePlan(error: unknown, evidence: PlanEvidence): boolean {
  return error instanceof pg.DatabaseError && isStalePlan(error.code ?? '', evidence)
}

export function isQueryCanceled(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === QUERY_CANCELED
}

/** What `pg` rejected a statement with, as an error of ours. */
export function pgError(error: unknown): TenantryError {
  if (error instanceof TenantryError) return error
  if (!(error instanceof pg.DatabaseError)) return new InternalError('pg failed', { cause: error })
  if (isQueryCanceled(error) && !error.message.includes('user request'))
    return new StatementTimeoutError(`57014: ${error.message}`)
  return new SqlError(fieldsOf(error))
}

const SHOWN = [
  'severity',
  'detail',
  'hint',
  'position',
  'where',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
] as const

function fieldsOf(error: pg.DatabaseError): SqlErrorFields {
  const present = SHOWN.flatMap((name) => (error[name] === undefined ? [] : [[name, error[name]] as const]))
  return { message: error.message, code: error.code ?? 'XX000', ...Object.fromEntries(present) }
}

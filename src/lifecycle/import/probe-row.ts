import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { ServerUnavailableError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { type Pin, readPin } from '../../router/identity.ts'
import { Session } from '../session.ts'
import type { ImportRow } from './import-row.ts'

/** What the row's own login saw. */
export interface Probed {
  readonly row: ImportRow
  /** As the server calls it. */
  readonly role: string
  readonly pin: Pin
}

const ATTEMPTS = 5
const STEP_MS = 100
/** too_many_connections: of the server, or of the role, whose connections are its application's. */
const FULL = '53300'

/**
 * Looks at the database of a row over a read-only session.
 * @throws {LoginFailedError | TlsFailedError | ServerUnavailableError}
 */
export async function probeRow(row: ImportRow, via: ServerRecord['via']): Promise<Probed> {
  await using session = await openWhereRoom(row, via)
  const pin = { ...(await readPin(session.connection)), shared: row.shared }
  return { row, role: via === 'direct' ? row.dsn.user : await roleBehind(session), pin }
}

export async function openWhereRoom(row: ImportRow, via: ServerRecord['via']): Promise<Session> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await Session.readOnly({ ...row.dsn, via })
    } catch (error) {
      const isFull = error instanceof ServerUnavailableError && error.sqlstate === FULL
      if (!isFull || attempt === ATTEMPTS) throw error
    }
    await delay(STEP_MS * attempt * (0.5 + Math.random()))
  }
}

/** A pooler may log in as another role than its client does. */
async function roleBehind(session: Session): Promise<string> {
  const shape = z.object({ role: z.string() })
  return (await session.row(shape, 'select session_user::pg_catalog.text as role')).role
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../connection/connection.ts'
import { InternalError } from '../../errors.ts'
import { within } from '../../registry/within.ts'

/** A cancelled statement has this long to end, before its connection is destroyed. */
const CANCEL_MS = 500
const CANCEL_AGAIN_MS = 50

/**
 * Cancels what runs on the connection until it is quiet. A cancel that reaches the server before its statement
 * does nothing, so it is sent again.
 * @param quiet settles when the last statement has ended
 * @throws {InternalError} when that takes too long; the caller then destroys the connection.
 */
export function cancelUntilQuiet(connection: Connection, quiet: Promise<void>): Promise<void> {
  const late = () => new InternalError('the last statement took too long to end after it was cancelled')
  return within(cancelAgain(connection, quiet), CANCEL_MS, late)
}

async function cancelAgain(connection: Connection, quiet: Promise<void>): Promise<void> {
  let isQuiet = false
  const settled = quiet.then(() => {
    isQuiet = true
  })
  while (!isQuiet && connection.isOpen) {
    if (connection.isBusy) await connection.cancel()
    await Promise.race([settled, sleep(CANCEL_AGAIN_MS)])
  }
}

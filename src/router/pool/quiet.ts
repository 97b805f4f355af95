import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../connection/connection.ts'
import { InternalError } from '../../errors.ts'
import { within } from '../../registry/within.ts'

/** A cancelled statement has this long to end, before its connection is destroyed. */
const CANCEL_MS = 500
const CANCEL_AGAIN_MS = 50
/** The same where nobody says when the statement has ended. */
const LOOK_AGAIN_MS = 10

/**
 * Cancels what runs on the connection until it is quiet. A cancel that reaches the server before its statement
 * does nothing, so it is sent again.
 * @param quiet settles when the last statement has ended
 * @param reason what the statement rejects with; default: as one does that its user cancelled.
 * @throws {InternalError} when that takes too long; the caller then destroys the connection.
 */
export async function cancelUntilQuiet(
  connection: Connection,
  quiet: Promise<void>,
  reason?: Error,
): Promise<void> {
  const late = () => new InternalError('the last statement took too long to end after it was cancelled')
  const over = new AbortController()
  const forget = whenClosed(connection, () => over.abort())
  try {
    await within(cancelAgain(connection, quiet, over.signal, reason), CANCEL_MS, late)
  } catch (error) {
    // One that has ended is quiet.
    if (connection.isOpen) throw error
  } finally {
    forget()
    over.abort() // no timer outlives this
  }
}

/** By connection, who is to be told of its end: each `then` on a promise would stay for as long as that is open. */
const listeners = new WeakMap<Connection, Set<() => void>>()

/** @returns what forgets the listener. */
function whenClosed(connection: Connection, listener: () => void): () => void {
  const present = listeners.get(connection) ?? new Set()
  if (!listeners.has(connection)) {
    listeners.set(connection, present)
    void connection.closed.then(() => {
      for (const tell of present) tell()
    })
  }
  present.add(listener)
  return () => present.delete(listener)
}

async function cancelAgain(
  connection: Connection,
  quiet: Promise<void>,
  signal: AbortSignal,
  reason?: Error,
): Promise<void> {
  let isQuiet = false
  const settled = quiet.then(() => {
    isQuiet = true
  })
  const pause = (ms: number) => sleep(ms, undefined, { signal })
  // The owner of a handle that leases for each statement knows of none: then the connection alone says it.
  while (!signal.aborted && connection.isOpen && (connection.isBusy || !isQuiet)) {
    if (connection.isBusy) await connection.cancel(reason)
    await (isQuiet ? pause(LOOK_AGAIN_MS) : Promise.race([settled, pause(CANCEL_AGAIN_MS)]))
  }
}

import { CancelledError, ServerUnavailableError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { DriverConnection } from './driver-connection.ts'
import { logIn } from './login.ts'
import { arrangeSession, isPooled } from './pooled-session.ts'
import type { ScramKeyCache } from './scram-keys.ts'
import { nameOf } from './socket-step.ts'

export interface OpenOptions {
  /** Milliseconds for TCP, TLS and login together. */
  readonly connectTimeoutMs: number
  readonly signal?: AbortSignal
  /** Hears of NOTIFY on the channels that this connection listens to. */
  readonly onNotification?: (channel: string, payload: string) => void
  /** Keys of logins before, which spare this one the hashing. */
  readonly scramKeys?: ScramKeyCache
}

/**
 * Opens one backend. What fails leaves nothing open.
 * @throws {ServerUnavailableError} when the server cannot be reached in time, or cannot take anyone;
 * {TlsFailedError} before the password was sent; {LoginFailedError}; {CancelledError} by the signal.
 */
export async function openConnection(
  target: ConnectionTarget,
  options: OpenOptions,
): Promise<DriverConnection> {
  const attempt = new AbortController()
  const { connectTimeoutMs, signal } = options
  const timer = setTimeout(
    () =>
      attempt.abort(new ServerUnavailableError(`${nameOf(target)}: no connection in ${connectTimeoutMs} ms`)),
    connectTimeoutMs,
  )
  const onAbort = () =>
    attempt.abort(new CancelledError('aborted while connecting', { cause: signal?.reason }))
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  try {
    const connection = new DriverConnection(await logIn(target, attempt.signal, options), target)
    if (isPooled(target)) await arrange(connection, target, attempt.signal)
    return connection
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

async function arrange(
  connection: DriverConnection,
  target: ConnectionTarget,
  signal: AbortSignal,
): Promise<void> {
  const onAbort = () => connection.destroy(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    signal.throwIfAborted()
    await arrangeSession(connection, target)
  } catch (error) {
    connection.destroy(new Error('the session could not be arranged', { cause: error }))
    await connection.closed
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

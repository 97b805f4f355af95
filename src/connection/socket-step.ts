import type { Socket } from 'node:net'
import { ServerUnavailableError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'

/** A target in words, for messages. */
export function nameOf(target: ConnectionTarget): string {
  return `${target.user}@${target.host}:${target.port}/${target.database}`
}

/** How a step of connecting fails when the socket does. */
export function unavailable(target: ConnectionTarget, what: string): (cause?: Error) => Error {
  return (cause) =>
    new ServerUnavailableError(`${nameOf(target)} ${what}: ${cause?.message ?? 'the server hung up'}`, {
      cause,
    })
}

/**
 * One step on a socket: ends with `done`, or with `fail`, the socket's own end or the signal, which destroy
 * the socket and leave no listener.
 */
export function socketStep<T>(
  socket: Socket,
  signal: AbortSignal,
  describe: (cause?: Error) => Error,
  begin: (done: (value: T) => void, fail: (error: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = () => {
      socket.off('error', onError)
      socket.off('end', onEnd)
      socket.off('close', onEnd)
      signal.removeEventListener('abort', onAbort)
    }
    const fail = (error: Error) => {
      release()
      socket.destroy()
      reject(error)
    }
    const onError = (cause: Error) => fail(describe(cause))
    const onEnd = () => fail(describe())
    // Parse boundary: our own signals are aborted with errors only.
    const onAbort = () => fail(signal.reason as Error)
    socket.on('error', onError)
    socket.on('end', onEnd)
    socket.on('close', onEnd)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else
      begin((value) => {
        release()
        resolve(value)
      }, fail)
  })
}

import { connect, type Socket } from 'node:net'
import { TlsFailedError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { nameOf, socketStep, unavailable } from './socket-step.ts'
import { startTls } from './tls.ts'

const KEEP_ALIVE_DELAY_MS = 60_000

/**
 * TCP or a Unix socket, then TLS as the target says; the caller owns the socket, which has an 'error'
 * listener and reads nothing yet.
 * @throws {ServerUnavailableError | TlsFailedError} or the signal's reason, and then nothing is left open.
 */
export async function openSocket(target: ConnectionTarget, signal: AbortSignal): Promise<Socket> {
  if (target.tls.mode !== 'disable' && target.host.startsWith('/'))
    throw new TlsFailedError(`${nameOf(target)}: a Unix socket carries no TLS, its mode is disable`)
  const plain = await openPlain(target, signal)
  return target.tls.mode === 'disable' ? plain : startTls(plain, target, signal)
}

/** The very server that a socket has reached, for a further one: its name may lead elsewhere by now. */
export function whereReached(target: ConnectionTarget, { remoteAddress }: Socket): ConnectionTarget {
  if (remoteAddress === undefined) return target
  const { host, tls } = target
  return { ...target, host: remoteAddress, tls: { ...tls, serverName: tls.serverName ?? host } }
}

function openPlain(target: ConnectionTarget, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const socket = target.host.startsWith('/')
    ? connect({ path: `${target.host}/.s.PGSQL.${target.port}` })
    : connect({
        host: target.host,
        port: target.port,
        ...(target.lookup ? { lookup: target.lookup } : {}),
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      })
  // For good: an error between two steps must not end the process.
  socket.on('error', () => {})
  return socketStep<Socket>(socket, signal, unavailable(target, 'cannot be reached'), (done) => {
    socket.once('connect', () => done(socket))
  })
}

import { isIP, type Socket } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls'
import { TlsFailedError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { nameOf, socketStep, unavailable } from './socket-step.ts'

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const YES = 'S'

/**
 * Asks for TLS and makes the handshake on a fresh socket. Nothing secret is sent before it is done.
 * @throws {TlsFailedError} when the server has none, sends more than its one byte, or shows a certificate
 * that the target does not accept.
 */
export async function startTls(
  plain: Socket,
  target: ConnectionTarget,
  signal: AbortSignal,
): Promise<Socket> {
  await askForTls(plain, target, signal)
  const socket = beginTls(plain, target)
  socket.on('error', () => {})
  return socketStep<Socket>(socket, signal, tlsFailure(target), (done) => {
    socket.once('secureConnect', () => done(socket))
  })
}

/**
 * Exactly one byte may come: more would be read as if it had come through TLS (CVE-2021-23222 of libpq was
 * that), so it ends the attempt.
 */
function askForTls(plain: Socket, target: ConnectionTarget, signal: AbortSignal): Promise<void> {
  return socketStep<void>(
    plain,
    signal,
    unavailable(target, 'did not answer the TLS request'),
    (done, fail) => {
      plain.once('data', (answer) => {
        plain.pause()
        const refusal = refusalOf(answer)
        if (refusal) fail(new TlsFailedError(`${nameOf(target)}: ${refusal}`))
        else done()
      })
      plain.write(SSL_REQUEST)
    },
  )
}

/** Node throws at once for an authority or a client certificate that it cannot read. */
function beginTls(plain: Socket, target: ConnectionTarget): Socket {
  try {
    return connectTls({ ...tlsOptions(target), socket: plain })
  } catch (cause) {
    plain.destroy()
    throw new TlsFailedError(`${nameOf(target)}: a certificate or key on our side cannot be read`, { cause })
  }
}

function refusalOf(answer: Buffer): string | undefined {
  if (answer.length !== 1) return 'the server sent more than its one byte before TLS'
  if (answer.toString('latin1') !== YES) return 'the server offers no TLS'
  return undefined
}

function tlsOptions(target: ConnectionTarget): ConnectionOptions {
  const { mode, ca, serverName, clientCert } = target.tls
  const name = serverName ?? target.host
  return {
    // RFC 6066 allows no addresses here.
    ...(isIP(name) ? {} : { servername: name }),
    ...(ca === undefined ? {} : { ca }),
    ...(clientCert ? { cert: clientCert.certificate, key: clientCert.key.reveal() } : {}),
    rejectUnauthorized: mode !== 'require',
    // Node asks this only of a chain that it trusts. `_host` would be 'localhost' where no servername is set.
    checkServerIdentity: (_host, certificate) =>
      mode === 'verify-full' ? checkServerIdentity(name, certificate) : undefined,
  }
}

/** Ends of the network are no verdict on the certificate. */
const NETWORK_CODES = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'EHOSTUNREACH'])

function tlsFailure(target: ConnectionTarget): (cause?: Error) => Error {
  return (cause) => {
    const code = cause && 'code' in cause ? String(cause.code) : ''
    return cause === undefined || NETWORK_CODES.has(code)
      ? unavailable(target, 'broke off the TLS handshake')(cause)
      : new TlsFailedError(`${nameOf(target)}: ${cause.message}`, { cause })
  }
}

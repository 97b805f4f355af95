import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { LoginFailedError, ServerUnavailableError, TlsFailedError } from '../errors.ts'
import { Authenticator } from './authenticator.ts'
import type { ConnectionTarget } from './connection.ts'
import { DriverClient } from './driver.ts'
import { DriverSocket } from './driver-socket.ts'
import { Message, MessageReader, type MessageVisitor } from './message-reader.ts'
import type { ScramKeyCache } from './scram-keys.ts'
import { openSocket } from './socket.ts'
import { nameOf, socketStep, unavailable } from './socket-step.ts'
import { loginError } from './sql-error.ts'
import { StartupGuard } from './startup-guard.ts'
import { startupSettings } from './startup-settings.ts'

/** A backend that has let us in and waits for the first statement. Its socket is paused. */
export interface LoggedIn {
  readonly socket: Socket
  readonly client: DriverClient
  readonly reader: MessageReader
  /** Of the backend; the secret lets anyone cancel its statements. */
  readonly key: { readonly pid: number; readonly secret: number }
}

export interface LoginOptions {
  readonly onNotification?: (channel: string, payload: string) => void
  /** Keys of logins before, which spare this one the hashing. */
  readonly scramKeys?: ScramKeyCache
}

/**
 * Connects and logs in. The driver writes the startup packet and hears of the server once that has let us in:
 * who proves what to whom is settled by us.
 * @throws {ServerUnavailableError | TlsFailedError | LoginFailedError} or the signal's reason.
 */
export async function logIn(
  target: ConnectionTarget,
  signal: AbortSignal,
  { onNotification, scramKeys }: LoginOptions = {},
): Promise<LoggedIn> {
  let giveUp: (cause: unknown) => void = () => {}
  // Made before the socket is open: the driver takes a timer's turn until it writes, and has it meanwhile.
  const client = new DriverClient(
    {
      user: target.user,
      database: target.database,
      settings: startupSettings(target),
      ...(onNotification ? { onNotification } : {}),
    },
    new DriverSocket(),
    (error) => giveUp(error),
  )
  const socket = await openSocket(target, signal)
  const guard = new StartupGuard({
    hasPassword: target.password !== undefined,
    isPrivate: socket instanceof TLSSocket || target.host.startsWith('/'),
    where: nameOf(target),
  })
  return socketStep<LoggedIn>(socket, signal, hungUp(target), (done, fail) => {
    const refuse = (why: string) => fail(new LoginFailedError(`${nameOf(target)}: ${why}`))
    giveUp = (cause) => refuse(cause instanceof Error ? cause.message : 'the driver gave up')
    const authenticator = new Authenticator({
      user: target.user,
      password: target.password,
      scramKeys,
      send: (message) => void socket.write(message),
      refuse,
    })
    watchLogin({ socket, client, guard, authenticator, where: nameOf(target) }, done, fail)
    client.socket.attach(socket)
  })
}

/** A server that wants a client certificate says so after the handshake (TLS 1.3). */
function hungUp(target: ConnectionTarget): (cause?: Error) => Error {
  return (cause) =>
    cause && 'code' in cause && String(cause.code).startsWith('ERR_SSL')
      ? new TlsFailedError(`${nameOf(target)}: ${cause.message}`, { cause })
      : unavailable(target, 'ended the login')(cause)
}

interface Attempt {
  readonly socket: Socket
  readonly client: DriverClient
  readonly guard: StartupGuard
  readonly authenticator: Authenticator
  readonly where: string
}

function watchLogin(attempt: Attempt, done: (login: LoggedIn) => void, fail: (error: Error) => void): void {
  const { socket, client, guard } = attempt
  const reader = new MessageReader()
  reader.drop(Message.authentication)
  const onData = (chunk: Buffer) => {
    const passed = readLogin(chunk, reader, attempt)
    if (passed instanceof Error) {
      socket.off('data', onData)
      client.socket.detach()
      return fail(passed)
    }
    // Refused by the authenticator.
    if (socket.destroyed) return
    client.socket.deliver(passed)
    if (!guard.isReady) return
    // Nothing may be read between this listener and the connection's own.
    socket.off('data', onData)
    socket.pause()
    reader.passAll()
    client.opened()
    done({ socket, client, reader, key: guard.key ?? { pid: 0, secret: 0 } })
  }
  socket.on('data', onData)
}

/** What the driver may see of the chunk, or why the login ends. */
function readLogin(chunk: Buffer, reader: MessageReader, attempt: Attempt): Buffer | Error {
  const { guard, authenticator, where } = attempt
  const visitor: MessageVisitor = {
    header: (type, length) => guard.header(type, length),
    message: (type, body) => {
      guard.message(type, body)
      if (type === Message.authentication && !guard.refusal) authenticator.take(body)
    },
  }
  try {
    const passed = reader.read(chunk, visitor)
    return guard.refusal ?? (guard.serverError && loginError(guard.serverError, where)) ?? passed
  } catch (cause) {
    return new ServerUnavailableError(`${where} does not speak the Postgres protocol`, { cause })
  }
}

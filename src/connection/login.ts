import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { LoginFailedError, ServerUnavailableError, TlsFailedError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { DriverClient } from './driver.ts'
import { DriverSocket } from './driver-socket.ts'
import { MessageReader } from './message-reader.ts'
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

/**
 * Connects and logs in. The driver makes the messages, and sees those of the server only after the guard.
 * @throws {ServerUnavailableError | TlsFailedError | LoginFailedError} or the signal's reason.
 */
export async function logIn(
  target: ConnectionTarget,
  signal: AbortSignal,
  onNotification?: (channel: string, payload: string) => void,
): Promise<LoggedIn> {
  let giveUp: (error: unknown) => void = () => {}
  // Made before the socket is open: the driver takes a timer's turn until it writes, and has it meanwhile.
  const client = new DriverClient(
    {
      user: target.user,
      database: target.database,
      password: () => target.password?.reveal() ?? '',
      settings: startupSettings(target),
      ...(onNotification ? { onNotification } : {}),
    },
    new DriverSocket(() => giveUp(new Error('the server could not prove that it knows the password'))),
    (error) => giveUp(error),
  )
  const socket = await openSocket(target, signal)
  const guard = new StartupGuard({
    hasPassword: target.password !== undefined,
    isPrivate: socket instanceof TLSSocket || target.host.startsWith('/'),
    where: nameOf(target),
  })
  return socketStep<LoggedIn>(socket, signal, hungUp(target), (done, fail) => {
    const driverGaveUp = (cause: unknown) =>
      fail(
        new LoginFailedError(
          `${nameOf(target)}: ${cause instanceof Error ? cause.message : 'the driver gave up'}`,
        ),
      )
    giveUp = driverGaveUp
    watchLogin({ socket, client, guard, where: nameOf(target) }, done, fail)
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
  readonly where: string
}

function watchLogin(
  { socket, client, guard, where }: Attempt,
  done: (login: LoggedIn) => void,
  fail: (error: Error) => void,
): void {
  const reader = new MessageReader()
  const onData = (chunk: Buffer) => {
    const fault = faultIn(chunk, reader, guard, where)
    if (fault) {
      socket.off('data', onData)
      client.socket.detach()
      return fail(fault)
    }
    client.socket.deliver(chunk)
    if (!guard.isReady) return
    // Nothing may be read between this listener and the connection's own.
    socket.off('data', onData)
    socket.pause()
    client.opened()
    done({ socket, client, reader, key: guard.key ?? { pid: 0, secret: 0 } })
  }
  socket.on('data', onData)
}

function faultIn(
  chunk: Buffer,
  reader: MessageReader,
  guard: StartupGuard,
  where: string,
): Error | undefined {
  try {
    reader.read(chunk, guard)
  } catch (cause) {
    return new ServerUnavailableError(`${where} does not speak the Postgres protocol`, { cause })
  }
  return guard.refusal ?? (guard.serverError && loginError(guard.serverError, where))
}

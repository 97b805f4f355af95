import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { ConnectionTarget } from '../../src/connection/connection.ts'
import { MessageReader } from '../../src/connection/message-reader.ts'
import { openSocket } from '../../src/connection/socket.ts'
import { nameOf, socketStep, unavailable } from '../../src/connection/socket-step.ts'
import { loginError } from '../../src/connection/sql-error.ts'
import { StartupGuard } from '../../src/connection/startup-guard.ts'
import { startupSettings } from '../../src/connection/startup-settings.ts'
import { CancelledError, LoginFailedError, ServerUnavailableError } from '../../src/errors.ts'
import { PgConnection } from './pg-connection.ts'
import { PgSocket } from './pg-socket.ts'

/** A backend that has let us in. Its socket is paused. */
export interface PgLogin {
  readonly socket: Socket
  readonly side: PgSocket
  readonly client: pg.Client
  readonly reader: MessageReader
  readonly parameters: Readonly<Record<string, string>>
  readonly key: { readonly pid: number; readonly secret: number }
}

/** As `openConnection`, over `pg` in place of postgres.js. Straight to Postgres only, by no pooler. */
export async function openPgConnection(
  target: ConnectionTarget,
  { connectTimeoutMs, signal }: { readonly connectTimeoutMs: number; readonly signal?: AbortSignal },
): Promise<PgConnection> {
  const attempt = new AbortController()
  const late = new ServerUnavailableError(`${nameOf(target)}: no connection in ${connectTimeoutMs} ms`)
  const timer = setTimeout(() => attempt.abort(late), connectTimeoutMs)
  const onAbort = () =>
    attempt.abort(new CancelledError('aborted while connecting', { cause: signal?.reason }))
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  try {
    return new PgConnection(await logIn(target, attempt.signal), target)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

async function logIn(target: ConnectionTarget, signal: AbortSignal): Promise<PgLogin> {
  const options = optionsOf(startupSettings(target))
  const socket = await openSocket(target, signal)
  const guard = new StartupGuard({
    hasPassword: target.password !== undefined,
    isPrivate: socket instanceof TLSSocket || target.host.startsWith('/'),
    where: nameOf(target),
  })
  return socketStep<PgLogin>(socket, signal, unavailable(target, 'ended the login'), (done, fail) => {
    const gaveUp = (cause: Error) => fail(new LoginFailedError(`${nameOf(target)}: ${cause.message}`))
    const side = new PgSocket(socket, () => gaveUp(new Error('pg gave up')))
    const client = clientOf(target, side, options)
    const parameters: Record<string, string> = {}
    // An internal event of pg's: every ParameterStatus.
    client.connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
      parameters[parameterName] = parameterValue
    })
    const reader = new MessageReader()
    const onData = (chunk: Buffer) => {
      const fault = faultIn(chunk, reader, guard, nameOf(target))
      if (fault) {
        side.detach()
        socket.off('data', onData)
        return fail(fault)
      }
      side.deliver(chunk)
      if (!guard.isReady) return
      socket.off('data', onData)
      socket.pause()
      done({ socket, side, client, reader, parameters, key: guard.key ?? { pid: 0, secret: 0 } })
    }
    socket.on('data', onData)
    client.connect().catch(gaveUp)
  })
}

function clientOf(target: ConnectionTarget, side: PgSocket, options: string): pg.Client {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    password: () => target.password?.reveal() ?? '',
    ssl: false,
    options,
    // Parse boundary: pg calls a few methods of the socket, which this has.
    stream: () => side as unknown as Socket,
  })
  // Without a listener it would be thrown outside of every promise.
  client.on('error', () => {})
  return client
}

/** Settings as command line options, in which blanks and backslashes are escaped. */
function optionsOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, '\\$&')}`)
    .join(' ')
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

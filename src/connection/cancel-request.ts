import { ServerUnavailableError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { openSocket } from './socket.ts'
import { nameOf } from './socket-step.ts'

/** Cancel sockets stand outside every budget, or a full one could not cancel; so they are few. */
const MAX_CANCELS_PER_SERVER = 2
const CANCEL_REQUEST_CODE = 80_877_102

/** Cancel sockets open now, and who waits for one, by host and port. */
const servers = new Map<string, { open: number; readonly waiting: (() => void)[] }>()

/**
 * Asks the server to end what a backend runs, over a socket of its own, and waits until the server has
 * closed that: only then can the signal no longer hit a later statement.
 * @param isWanted asked when the socket's turn has come: the statement may have ended by itself.
 * @param signal gives it up.
 * @throws {ServerUnavailableError | TlsFailedError} when that could not be done in time.
 */
export async function requestCancel(
  target: ConnectionTarget,
  key: { readonly pid: number; readonly secret: number },
  timeoutMs: number,
  isWanted: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const late = new AbortController()
  signal.addEventListener('abort', () => late.abort(signal.reason), { once: true })
  const timer = setTimeout(
    () =>
      late.abort(new ServerUnavailableError(`${nameOf(target)}: no answer to a cancel in ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    const release = await takeTurn(`${target.host}:${target.port}`, late.signal)
    try {
      if (isWanted()) await sendCancel(target, key, late.signal)
    } finally {
      release()
    }
  } finally {
    clearTimeout(timer)
  }
}

async function sendCancel(
  target: ConnectionTarget,
  key: { readonly pid: number; readonly secret: number },
  signal: AbortSignal,
): Promise<void> {
  const socket = await openSocket(target, signal)
  const message = Buffer.alloc(16)
  message.writeUInt32BE(16, 0)
  message.writeUInt32BE(CANCEL_REQUEST_CODE, 4)
  message.writeUInt32BE(key.pid, 8)
  message.writeUInt32BE(key.secret, 12)
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      socket.destroy()
      // Parse boundary: the signal is ours and is aborted with an error.
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort)
    // A reset is the server's close, too: it reads the message and goes.
    socket.once('close', () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    socket.resume()
    socket.write(message)
    if (signal.aborted) onAbort()
  })
}

/** Resolves with the give-back of a cancel socket's place. */
async function takeTurn(server: string, signal: AbortSignal): Promise<() => void> {
  const turns = servers.get(server) ?? { open: 0, waiting: [] }
  servers.set(server, turns)
  const giveBack = () => {
    const next = turns.waiting.shift()
    if (next) return next()
    turns.open--
    if (turns.open === 0) servers.delete(server)
  }
  if (turns.open < MAX_CANCELS_PER_SERVER) {
    turns.open++
    return giveBack
  }
  await new Promise<void>((resolve, reject) => {
    const onTurn = () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }
    const onAbort = () => {
      turns.waiting.splice(turns.waiting.indexOf(onTurn), 1)
      // Parse boundary: as above.
      reject(signal.reason as Error)
    }
    turns.waiting.push(onTurn)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  return giveBack
}

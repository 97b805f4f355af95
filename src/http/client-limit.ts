import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { TooManyClientsError } from '../errors.ts'
import { problemOf } from './problem.ts'
import type { Observation } from './request-observation.ts'

/** Descriptors for what is neither a client nor a connection of a pool: the runtime's, the registry's, cancel requests. */
const OTHER_FILES = 48
/** Clients of the operator plane: the 32 that may follow events, and probes and operators beside them. */
const OPERATOR_CLIENTS = 48
/** However few descriptors there are. */
const LEAST_CLIENTS = 16
/** Refused clients that are waited for, so that what they still send does not reset the connection under their answer. */
const MAX_LINGERING = 16
const LINGER_MS = 1_000

/**
 * How many clients may be connected to each plane, so that this process never runs out of descriptors for
 * its connections to Postgres. Without end where the system does not say how many files it may open.
 */
export function clientLimits(maxConnections: number): { readonly tenant: number; readonly operator: number } {
  const others = maxConnections + OTHER_FILES + OPERATOR_CLIENTS + 2 * MAX_LINGERING
  return { tenant: Math.max(openFilesLimit() - others, LEAST_CLIENTS), operator: OPERATOR_CLIENTS }
}

function openFilesLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY // only Linux has that file
  }
}

/** Lets so many clients in; those above are answered 503 and closed, whatever they ask. */
export class ClientLimit {
  readonly #maxClients: number
  readonly #plane: 'tenant' | 'operator'
  readonly #observation: Observation
  #lingering = 0
  /** Told once, until there was room again for a quarter of them. */
  #isTold = false

  constructor(maxClients: number, plane: 'tenant' | 'operator', observation: Observation) {
    this.#maxClients = maxClients
    this.#plane = plane
    this.#observation = observation
  }

  /** Whether idle clients go once all places are taken: probes must find one. Tenants' may be about to ask. */
  get endsIdle(): boolean {
    return this.#plane === 'operator'
  }

  /** @param clients that are in. Where it answers false, the socket is no longer the caller's. */
  admits(socket: Socket, clients: number): boolean {
    if (clients < this.#maxClients) {
      if (clients < this.#maxClients * 0.75) this.#isTold = false
      return true
    }
    this.#refuse(socket, new TooManyClientsError(`all ${clients} clients that may be connected are`))
    return false
  }

  #refuse(socket: Socket, error: TooManyClientsError): void {
    this.#tell(error)
    socket.on('error', () => undefined) // it may have gone
    if (this.#lingering >= MAX_LINGERING) {
      // Written and closed in this turn: many are accepted in one, and each would hold its descriptor until the next.
      socket.write(answerOf(error))
      socket.destroy()
      return
    }
    this.#lingering++
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#lingering--
    })
    socket.end(answerOf(error))
    socket.resume()
  }

  #tell(error: TooManyClientsError): void {
    const { observer, log } = this.#observation
    observer.requestAnswered('none', problemOf(error, '').status, 0)
    if (this.#isTold) return
    this.#isTold = true
    log.warn({ plane: this.#plane, code: error.code, err: error }, 'clients are refused')
  }
}

function answerOf(error: TooManyClientsError): string {
  const requestId = randomUUID()
  const problem = problemOf(error, requestId)
  const body = JSON.stringify(problem)
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    `Retry-After: ${error.retryAfterSeconds}`,
    `X-Request-Id: ${requestId}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

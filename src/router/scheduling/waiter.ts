import type { Trust } from '../../connection/connection.ts'
import { CancelledError } from '../../errors.ts'
import type { Slot } from '../pool/slot.ts'
import type { LeaseContext } from './lease-context.ts'

export interface AcquireRequest {
  readonly trust: Trust
  readonly class: 'interactive' | 'batch'
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  /** No connection is opened for it: it takes one that is open or being opened for others. */
  readonly onlyIfWarm: boolean
  /** The scoped use that asks; undefined at top level. */
  readonly context: LeaseContext | undefined
}

/**
 * One caller that waits for a connection of one pool, with its own deadline and its own abort.
 * Settles exactly once; whoever settles it has taken it out of its queue first, or does so in `onEnd`.
 */
export class Waiter {
  readonly request: AcquireRequest
  readonly arrivedAt = performance.now()
  /** What `loopIdleMs` said then. */
  readonly idleAtArrival: number
  /** How often its scopes had seen somebody passed when it joined its queue. */
  passesBefore = { server: 0, process: 0, tenant: 0 }
  readonly promise: Promise<Slot>
  /** The caller holds a lease while it waits for this one. */
  readonly isNested: boolean
  #resolve: (slot: Slot) => void
  #reject: (error: unknown) => void
  #settled = false
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: () => void
  readonly #stopWaiting: (() => void) | undefined

  /**
   * @param onEnd called when the deadline or the abort ends the wait.
   * @param isBlocked whether it waits for what others hold, rather than for a connection that is being opened.
   * @param idleMs what `loopIdleMs` says now.
   */
  constructor(
    request: AcquireRequest,
    deadlineError: () => Error,
    onEnd: (waiter: Waiter) => void,
    isBlocked: () => boolean,
    idleMs: number,
  ) {
    this.request = request
    this.idleAtArrival = idleMs
    this.isNested = request.context?.holdsLease ?? false
    const { promise, resolve, reject } = withResolvers<Slot>()
    this.promise = promise
    this.#resolve = resolve
    this.#reject = reject
    const end = (error: Error) => {
      onEnd(this)
      this.reject(error)
    }
    this.#timer = setTimeout(() => end(deadlineError()), request.timeoutMs)
    this.#onAbort = () => end(new CancelledError('the caller aborted while it waited for a connection'))
    request.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#stopWaiting = request.context?.startWaiting(isBlocked)
  }

  get isSettled(): boolean {
    return this.#settled
  }

  resolve(slot: Slot): void {
    if (this.#settle()) this.#resolve(slot)
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    clearTimeout(this.#timer)
    this.request.signal?.removeEventListener('abort', this.#onAbort)
    this.#stopWaiting?.()
    return true
  }
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

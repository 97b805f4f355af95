import type { Context } from 'hono'
import { CancelledError, LeaseReleasedError } from '../../errors.ts'
import type { Lease } from '../../router/lease.ts'
import type { LeaseOptions } from '../../router/lease-options.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import { runAsTenant } from '../../tenant/tenant-context.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import { onDisconnect } from '../client-gone.ts'
import { leaseBody } from '../leased-body.ts'
import { outgoingOf } from '../request-context.ts'

/** At most one lease of a request: taken when it is asked for first, and released when the response has ended. */
export class RequestLease {
  readonly #router: Pick<TenantRouter, 'lease'>
  readonly #tenant: TenantId
  readonly #context: Context
  #lease: Promise<Lease> | undefined
  #held: Lease | undefined
  /** Aborts the wait for a connection. */
  readonly #aborter = new AbortController()
  #forget: () => void = () => undefined
  /** `answered`: its response is on the way, and the lease is the body's. */
  #state: 'open' | 'answered' | 'over' = 'open'

  constructor(router: Pick<TenantRouter, 'lease'>, tenant: TenantId, context: Context) {
    this.#router = router
    this.#tenant = tenant
    this.#context = context
  }

  /**
   * The lease of this request. One that was released by hand is followed by another.
   * @param options count for the call that takes it.
   * @throws {LeaseReleasedError} once the response was returned: what streams takes it before. Else as `router.lease`.
   */
  take(options: LeaseOptions = {}): Promise<Lease> {
    if (this.#held?.isOver) this.#lease = undefined
    if (this.#lease !== undefined) return this.#lease
    if (this.#state !== 'open')
      return Promise.reject(
        new LeaseReleasedError('c.var.lease() was called after the response was returned'),
      )
    const lease = this.#take(options)
    this.#lease = lease
    // It may succeed when it is asked for again.
    lease.catch(() => {
      if (this.#lease === lease) this.#lease = undefined
    })
    return lease
  }

  /** Once the handler is done: the lease goes back now, or with the last byte of a body that there is. */
  answered(): void {
    this.#state = 'answered'
    if (this.#lease === undefined) return
    // Also where another answer goes out, of a middleware around this one, and nobody reads this body.
    outgoingOf(this.#context)?.once('finish', () => this.end())
    const run = <T>(work: () => T) => runAsTenant(this.#tenant, work)
    leaseBody(this.#context, () => this.end(), run)
  }

  /** Nothing is leased any more, and nothing will be. */
  end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#forget()
    this.#aborter.abort(new CancelledError('the request has ended'))
    this.#held?.release()
  }

  async #take({ signal, ...options }: LeaseOptions): Promise<Lease> {
    this.#forget()
    this.#forget = onDisconnect(this.#context, () => this.#gone())
    const ends = signal ? AbortSignal.any([signal, this.#aborter.signal]) : this.#aborter.signal
    const lease = await this.#router.lease(this.#tenant, { ...options, signal: ends })
    if (this.#state === 'over') {
      lease.release()
      throw new LeaseReleasedError('the request ended before its lease was there')
    }
    this.#held = lease
    return lease
  }

  /** A handler that still runs keeps its lease: it may have to undo something. */
  #gone(): void {
    if (this.#state === 'open') this.#aborter.abort(new CancelledError('the client has gone'))
    else this.end()
  }
}

import { AsyncResource } from 'node:async_hooks'
import type { ErrorCode } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import { warn } from '../warn.ts'

/** Why a connection ended; a pool is evicted for the reason its last connection ended. */
export type CloseReason =
  | 'idle'
  | 'reclaim'
  | 'pool_limit'
  | 'rotated'
  | 'suspended'
  | 'fenced'
  | 'server_changed'
  | 'limits_changed'
  | 'operator'
  | 'shutdown'
  | 'lifetime'
  | 'statements'
  | 'unclean'
  | 'read_only'
  | 'fairness'
  | 'expired'
  | 'lost'

/** What a router tells of, by the name of the event. Times are milliseconds. */
export interface RouterEvents {
  /** A connection was opened and its identity proved. */
  opened: { tenant: TenantId; server: string; pid: number; ms: number }
  openFailed: { tenant: TenantId; server: string; code: ErrorCode; error: Error }
  closed: { tenant: TenantId; server: string; pid: number; reason: CloseReason }
  /** The last connection of a tenant closed. */
  evicted: { tenant: TenantId; server: string; reason: CloseReason }
  leased: { tenant: TenantId; server: string; waitedMs: number; cold: boolean }
  released: { tenant: TenantId; server: string; heldMs: number }
  /** An idle connection was closed to make room for another tenant. */
  reclaimed: { tenant: TenantId; server: string; scope: string }
  refused: { tenant: TenantId; code: ErrorCode; scope: string | undefined }
  /** A server cannot be reached: whoever needs a new connection to it is refused, but for one probe a second. */
  breakerOpened: { server: string; error: Error }
  breakerClosed: { server: string; openMs: number }
  /** A database is not the tenant's own: nothing is served until its record changes. */
  fenced: { tenant: TenantId; server: string; error: Error }
}

type Listener<E extends keyof RouterEvents> = (event: RouterEvents[E]) => void

/**
 * Tells listeners what the router did. A listener that throws becomes a process warning: it must not break a lease.
 * It runs in the async context in which it was added: what happens to one tenant often happens in a call of another's.
 */
export class EventHub {
  readonly #listeners: { [E in keyof RouterEvents]?: Set<Listener<E>> } = {}

  on<E extends keyof RouterEvents>(event: E, listener: Listener<E>): Disposable {
    const listeners = this.#of(event)
    const bound = AsyncResource.bind(listener)
    listeners.add(bound)
    return { [Symbol.dispose]: () => void listeners.delete(bound) }
  }

  emit<E extends keyof RouterEvents>(event: E, payload: RouterEvents[E]): void {
    const listeners: Set<Listener<E>> | undefined = this.#listeners[event]
    if (!listeners) return
    for (const listener of listeners) {
      try {
        listener(payload)
      } catch (error) {
        warn(error)
      }
    }
  }

  #of<E extends keyof RouterEvents>(event: E): Set<Listener<E>> {
    const present: Set<Listener<E>> | undefined = this.#listeners[event]
    if (present) return present
    const made = new Set<Listener<E>>()
    // The mapped type ties key and set together; the compiler cannot follow that through a generic key.
    ;(this.#listeners as Record<E, Set<Listener<E>>>)[event] = made
    return made
  }
}

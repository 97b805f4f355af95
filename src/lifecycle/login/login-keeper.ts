import { LRUCache } from 'lru-cache'
import { LoginFailedError } from '../../errors.ts'
import type { RouterEvents } from '../../router/events.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { LifecycleParts } from '../parts.ts'
import { resetLogin, WRONG_PASSWORD } from './reset-login.ts'

const ACTOR = 'logins'
/** Tenants that wait for their turn, and of which is remembered when they were last looked at. */
const MAX_TENANTS = 10_000
/** Milliseconds: a tenant that changes its password all the time costs a login of the admin in as many. */
const AGAIN_MS = 10_000
const AGAIN_AFTER_FAULT_MS = 60_000

export interface LoginListener {
  /** A password was set again; `error` where it could not be. */
  reset(tenant: TenantId, error: unknown): void
  /** Does the work, so that a shutdown waits for it; refuses it once one has begun. */
  run(work: () => Promise<void>): Promise<void>
}

export interface FailedOpenings {
  on(
    event: 'openFailed',
    listener: (failed: Pick<RouterEvents['openFailed'], 'tenant' | 'error'>) => void,
  ): Disposable
}

/** Sets passwords again that servers refuse, one after another, until it is disposed of. */
export class LoginKeeper implements Disposable {
  readonly #parts: LifecycleParts
  readonly #listener: LoginListener
  readonly #recent = new LRUCache<TenantId, true>({ max: MAX_TENANTS, ttl: AGAIN_MS })
  /** For their turn, which may be long in coming where a server was restored: each once, however often it is refused. */
  readonly #waiting = new Set<TenantId>()
  readonly #failures: Disposable
  #turn: Promise<void> = Promise.resolve()

  constructor(parts: LifecycleParts, router: FailedOpenings, listener: LoginListener) {
    this.#parts = parts
    this.#listener = listener
    this.#failures = router.on('openFailed', ({ tenant, error }) => {
      if (error instanceof LoginFailedError && error.sqlstate === WRONG_PASSWORD) this.#lookAt(tenant)
    })
  }

  /** Looks at nothing new. What it is at is the listener's to wait for. */
  [Symbol.dispose](): void {
    this.#failures[Symbol.dispose]()
  }

  #lookAt(tenant: TenantId): void {
    if (this.#recent.has(tenant) || this.#waiting.has(tenant) || this.#waiting.size >= MAX_TENANTS) return
    this.#waiting.add(tenant)
    const mine = this.#turn.then(() => this.#listener.run(() => this.#reset(tenant)))
    this.#turn = mine.catch(() => undefined).finally(() => this.#waiting.delete(tenant)) // refused: a shutdown has begun
  }

  async #reset(tenant: TenantId): Promise<void> {
    try {
      const isReset = await resetLogin(this.#parts, tenant, ACTOR)
      this.#recent.set(tenant, true)
      if (isReset) this.#listener.reset(tenant, undefined)
    } catch (error) {
      this.#recent.set(tenant, true, { ttl: AGAIN_AFTER_FAULT_MS })
      this.#listener.reset(tenant, error)
    }
  }
}

import { type FailedOpenings, LoginKeeper, type LoginListener } from './login/login-keeper.ts'
import { Recovery, type RecoveryListener } from './operation/recovery.ts'
import type { LifecycleParts } from './parts.ts'
import { SpareKeeper, type SpareListener } from './provision/spare/spare-keeper.ts'

type Run = (work: () => Promise<void>) => Promise<void>

/** Who hears of each part. */
export interface UpkeepListeners {
  readonly recovery: Omit<RecoveryListener, 'run'>
  readonly spares: Omit<SpareListener, 'run'>
  readonly logins: Omit<LoginListener, 'run'>
}

/**
 * What a process with the admin key does for its tenants without being asked, until it is disposed of; what it is at
 * then is for whoever runs it (`run`) to wait for.
 */
export class Upkeep implements Disposable {
  readonly #keepers: readonly Disposable[]

  constructor(parts: LifecycleParts, router: FailedOpenings, run: Run, listeners: UpkeepListeners) {
    const { spares, logins, recovery } = listeners
    this.#keepers = [
      new SpareKeeper(parts, { ...spares, run }),
      new LoginKeeper(parts, router, { ...logins, run }),
      new Recovery(parts, { ...recovery, run }),
    ]
  }

  [Symbol.dispose](): void {
    for (const keeper of this.#keepers) keeper[Symbol.dispose]()
  }
}

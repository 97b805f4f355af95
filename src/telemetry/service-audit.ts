import type { Registry } from '../registry/registry.ts'
import { CallAudit } from '../resolve/call-audit.ts'
import type { CallObserver } from '../resolve/call-observer.ts'
import { auditFences } from '../router/audit-fences.ts'
import type { TenantRouter } from '../router/tenant-router.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What a service notes in the audit beside the changes that are asked of it: fences, refused and served callers. Until `close()`. */
export class ServiceAudit {
  readonly #fences: Disposable
  readonly #calls: CallAudit

  /** @param onFault hears of each that could not be written. */
  constructor(
    router: Pick<TenantRouter, 'on'>,
    registry: Pick<Registry, 'commit'>,
    onFault: (fault: unknown) => void,
  ) {
    this.#fences = auditFences(router, registry, onFault)
    this.#calls = new CallAudit(registry, { onFault })
  }

  get calls(): CallObserver {
    return this.#calls
  }

  /** Writes what is counted. */
  async close(): Promise<void> {
    this.#fences[Symbol.dispose]()
    await this.#calls.close()
  }
}

/** Counts what could not be written into the audit, and logs why. */
export function auditFaults(metrics: Metrics, log: Log): (fault: unknown) => void {
  return (err) => {
    metrics.auditFailed()
    log.error({ err }, 'not in the audit')
  }
}

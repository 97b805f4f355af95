import { setTimeout as sleep } from 'node:timers/promises'
import { ServerUnknownError, TenantUnknownError } from '../errors.ts'
import type { Directory } from '../registry/directory.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { statusError } from './admission.ts'
import type { Scheduler } from './scheduling/scheduler.ts'

/** Asking after a change that was heard and does not show yet. */
const FOLLOW_FIRST_MS = 100
const FOLLOW_MAX_MS = 6_400

/** A tenant's record, where it leads, and which of two records is the newer. */
export interface Route {
  readonly record: TenantRecord
  readonly revision: number
  readonly server: ServerRecord
}

/** Keeps the pools to what the registry says: another epoch drains a pool, another status ends it. Until `close()`. */
export class RecordFollower {
  readonly #directory: Directory
  readonly #scheduler: Scheduler
  readonly #changes: Disposable
  #isClosed = false

  /** @param onTenantChange called first, for each change of a tenant that is heard. */
  constructor(directory: Directory, scheduler: Scheduler, onTenantChange: (id: TenantId) => void) {
    this.#directory = directory
    this.#scheduler = scheduler
    this.#changes = directory.onChange((change) => {
      if (change !== 'reset' && change.kind === 'tenant') {
        // Parse boundary: the registry's own ids.
        const id = change.id as TenantId
        onTenantChange(id)
        void this.#untilItShows(id)
      } else if (change === 'reset' || change.kind === 'server') void this.#followAll()
    })
  }

  /** @throws {TenantUnknownError | ServerUnknownError | RegistryUnavailableError | CancelledError} */
  route(tenant: TenantId, signal?: AbortSignal): Route | Promise<Route> {
    return this.#known(tenant) ?? this.#asked(tenant, signal)
  }

  /** Without a promise: each lease asks. */
  #known(tenant: TenantId): Route | undefined {
    const entry = this.#directory.known('tenant', tenant)
    const server = entry && this.#directory.known('server', entry.record.route.server)
    return server && { record: entry.record, revision: entry.revision, server: server.record }
  }

  async #asked(tenant: TenantId, signal: AbortSignal | undefined): Promise<Route> {
    const entry = await this.#directory.tenant(tenant, signal)
    if (!entry) throw new TenantUnknownError(`tenant ${tenant} is not in the registry`)
    const server = await this.#directory.server(entry.record.route.server, signal)
    if (!server) {
      throw new ServerUnknownError(
        `tenant ${tenant} is on server ${entry.record.route.server}, which is not in the registry`,
      )
    }
    return { record: entry.record, revision: entry.revision, server: server.record }
  }

  /**
   * Reads the record anew, since a login by it failed: a change may not have been heard yet. The pool follows it.
   * @returns what to log in by instead in the same pool; undefined where nothing has changed, or another pool has taken over.
   */
  async reread(failed: TenantRecord, signal: AbortSignal): Promise<Route | undefined> {
    const { id } = failed
    const before = this.#scheduler.current(id)
    if (!before?.isOfEpoch(failed)) return undefined
    try {
      await this.#directory.refresh(id, signal)
    } catch {
      return undefined // the refusal that led here says more
    }
    await this.#follow(id)
    const now = this.#scheduler.current(id)
    if (now !== before || now.record.updatedAt === failed.updatedAt) return undefined
    return { record: now.record, revision: now.revision, server: now.server }
  }

  /** Ends the tenant's pools with their leases: it is not served any more. */
  cut(tenant: TenantId, error: Error): void {
    this.#scheduler.cut(tenant, 'suspended', error)
  }

  close(): void {
    this.#isClosed = true
    this.#changes[Symbol.dispose]()
  }

  /**
   * Follows a change that was heard. The directory may still answer from before (the registry is slow or down),
   * so it is asked again until the change shows.
   */
  async #untilItShows(id: TenantId): Promise<void> {
    const before = this.#scheduler.current(id)?.revision
    for (
      let againInMs = FOLLOW_FIRST_MS;
      !this.#isClosed;
      againInMs = Math.min(againInMs * 2, FOLLOW_MAX_MS)
    ) {
      if (!this.#scheduler.current(id)) return
      const revision = await this.#follow(id)
      if (revision === undefined || (before !== undefined && revision > before)) return
      if (againInMs === FOLLOW_MAX_MS) return
      await sleep(againInMs, undefined, { ref: false })
    }
  }

  /** Resolves the revision that was seen, 0 when the registry could not be asked; undefined when the tenant is gone. */
  async #follow(id: TenantId): Promise<number | undefined> {
    try {
      const { record, revision, server } = await this.route(id)
      const error = statusError(record)
      if (error) this.cut(id, error)
      else if (this.#scheduler.current(id)) this.#scheduler.follow(record, revision, server)
      return revision
    } catch (error) {
      if (!(error instanceof TenantUnknownError)) return 0
      this.cut(id, error)
      return undefined
    }
  }

  async #followAll(): Promise<void> {
    const tenants = new Set([...this.#scheduler.pools].map((pool) => pool.id))
    await Promise.all([...tenants].map((id) => this.#follow(id)))
  }
}

import type { Directory } from '../registry/directory.ts'
import type { Registry } from '../registry/registry.ts'
import type { TenantSelector } from '../registry/select-tenants.ts'
import {
  type ForEachTenantOptions,
  type ForEachTenantReport,
  forEachTenant,
  type SelectedTenant,
  selectedTenants,
  type TenantWork,
} from './for-each-tenant.ts'
import type { RouterOptions } from './options.ts'
import { type Backends, TenantRouter } from './tenant-router.ts'

export interface AppRouterParts {
  readonly directory: Directory
  readonly registry: Registry
  readonly backends: Backends
  /** Closes what the router was given for itself alone; `close()` waits for it. Default: nothing is. */
  readonly onClosed?: () => Promise<void>
}

/** The router of an application: it knows the registry, too, so that middleware can ask whose a request is. */
export class AppRouter extends TenantRouter {
  /** Cached reads of the registry, kept current by its changes. */
  readonly directory: Directory
  readonly registry: Registry
  readonly #closers: Set<() => Promise<void>>

  constructor({ directory, registry, backends, onClosed }: AppRouterParts, options: RouterOptions = {}) {
    const closers = new Set<() => Promise<void>>()
    super(directory, backends, options, async () => {
      await Promise.allSettled([...closers].map(async (close) => await close()))
      await onClosed?.()
    })
    this.#closers = closers
    this.directory = directory
    this.registry = registry
  }

  /** Has `close` called when the router closes: after its last lease, before its registry. What it throws is its own. */
  atClose(close: () => Promise<void>): void {
    this.#closers.add(close)
  }

  /**
   * Runs `work` for each tenant that is meant, some at once, each on one lease and as the ambient tenant. The registry
   * is read page by page. Without `continueOnError` no further tenant is begun after the first that fails; those under
   * way end.
   * @throws {AggregateError} of what they failed with, without `continueOnError`; {CancelledError} when the signal
   * aborts; {InvalidRequestError | TenantUnknownError} before the first tenant; {RegistryUnavailableError} on the way.
   */
  forEachTenant(
    selector: TenantSelector,
    work: TenantWork,
    options: ForEachTenantOptions = {},
  ): Promise<ForEachTenantReport> {
    return forEachTenant({ registry: this.registry, router: this }, selector, work, options)
  }

  /**
   * The tenants that are meant, by name and labels: opens no connection, and reads a page of the registry when it is
   * asked for.
   * @throws {InvalidRequestError | TenantUnknownError | RegistryUnavailableError}
   */
  tenants(selector: TenantSelector): AsyncGenerator<SelectedTenant> {
    return selectedTenants(this.registry, selector)
  }
}

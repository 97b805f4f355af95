import type { Directory } from '../registry/directory.ts'
import type { Registry } from '../registry/registry.ts'
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
  readonly directory: Directory
  readonly registry: Registry

  constructor({ directory, registry, backends, onClosed }: AppRouterParts, options: RouterOptions = {}) {
    super(directory, backends, options, onClosed)
    this.directory = directory
    this.registry = registry
  }
}

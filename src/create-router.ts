import { Directory } from './registry/directory.ts'
import type { DirectoryOptions } from './registry/directory-options.ts'
import { MasterKeys } from './registry/master-keys.ts'
import { openRegistry } from './registry/open-registry.ts'
import { Sealer } from './registry/sealing.ts'
import { RouterOptions } from './router/options.ts'
import { RouteOpener } from './router/route-opener.ts'
import { TenantRouter } from './router/tenant-router.ts'
import type { Secret } from './secret.ts'

export interface CreateRouterOptions extends RouterOptions {
  /** `postgres://…`, `consul://…` or `file:PATH`. */
  readonly registry: string | Secret
  /** `kid:base64` of 32 bytes, as `tenantry init` makes it: opens the passwords in the registry. */
  readonly masterKey: string | Secret
  /** Milliseconds that an active tenant is served for while the registry cannot be asked. Default: 24 h. */
  readonly staleMaxMs?: number
  /** Hears of what goes wrong in the background: a faulty file, a watch that was cut. Default: a process warning. */
  readonly onFault?: (fault: unknown) => void
}

/**
 * Opens the registry and a router over it. Closing the router closes both.
 * @throws {InvalidConfigError | RegistryUnavailableError | RegistryTooNewError}
 */
export async function createRouter(options: CreateRouterOptions): Promise<TenantRouter> {
  const { registry: url, masterKey, staleMaxMs, onFault = warn, ...rest } = options
  const routerOptions = RouterOptions.parse(rest)
  const sealer = new Sealer(MasterKeys.fromText(masterKey))
  const registry = await openRegistry(url, { onFault })
  const directoryOptions: DirectoryOptions = staleMaxMs === undefined ? {} : { staleMaxMs }
  const directory = new Directory(registry, directoryOptions, onFault)
  const opener = new RouteOpener(sealer, registry.id, routerOptions)
  return new TenantRouter(
    directory,
    {
      open: (record, server, terms) => opener.open(record, server, terms),
      confirmGone: (suspect, signal, gate) => opener.confirmGone(suspect, signal, gate),
    },
    rest,
    async () => {
      await directory.close()
      await registry.close()
    },
  )
}

function warn(fault: unknown): void {
  process.emitWarning(fault instanceof Error ? fault : String(fault))
}

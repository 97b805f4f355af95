import type { LookupFunction } from 'node:net'
import { openConnection } from './connection/open.ts'
import { InvalidConfigError, RegistryUnavailableError } from './errors.ts'
import { MasterKeys } from './registry/master-keys.ts'
import { RegistryAccess } from './registry/registry-access.ts'
import { Sealer } from './registry/sealing.ts'
import { AppRouter } from './router/app-router.ts'
import { auditFences } from './router/audit-fences.ts'
import { lateOpener } from './router/late-opener.ts'
import { RouterOptions } from './router/options.ts'
import { type PasswordProvider, PasswordSource } from './router/password-source.ts'
import type { Secret } from './secret.ts'
import { warn } from './warn.ts'

const STALE_MAX_MS = 86_400_000
/** Milliseconds for the registry to open. */
const WAIT_MS = 5_000

/** What `createRouter` is told: where the registry is, and what else is not as by default. */
export interface CreateRouterOptions extends RouterOptions {
  /** `postgres://…`, `consul://…` or `file:PATH`. */
  readonly registry: string | Secret
  /** `kid:base64` of 32 bytes, as `tenantry init` makes it: opens the passwords in the registry. */
  readonly masterKey: string | Secret
  /** Milliseconds that an active tenant is served for while the registry cannot be asked. Default: 24 h. */
  readonly staleMaxMs?: number
  /** Where what is held of the registry is kept, for a start while the registry is down. Default: nowhere. */
  readonly snapshotFile?: string
  /** Whether a Postgres registry of an older schema is brought to what this version knows. Default: true. */
  readonly migrate?: boolean
  /** Functions that make short-lived passwords, by the name that a server's record has for its own. */
  readonly passwordProviders?: Readonly<Record<string, PasswordProvider>>
  /** How the names of database servers become addresses, anew for each connection. Default: `dns.lookup`. */
  readonly lookup?: LookupFunction
  /** Hears of what goes wrong in the background: a faulty file, a watch that was cut. Default: a process warning. */
  readonly onFault?: (fault: unknown) => void
}

/**
 * Opens the registry and a router over it. Closing the router closes both. A registry that does not answer is not
 * waited for, unless a snapshot stands in for it.
 * @throws {InvalidConfigError | RegistryUnavailableError | RegistryTooNewError | RegistryTooOldError}
 */
export async function createRouter(options: CreateRouterOptions): Promise<AppRouter> {
  const {
    registry: url,
    masterKey,
    staleMaxMs = STALE_MAX_MS,
    snapshotFile,
    migrate = true,
    passwordProviders,
    lookup,
    onFault = warn,
    ...rest
  } = options
  refuseMissing({ registry: url, masterKey })
  const routerOptions = RouterOptions.parse(rest)
  const keys = MasterKeys.fromText(masterKey)
  const access = await RegistryAccess.start({
    url,
    keys,
    staleMaxMs,
    snapshotFile,
    waitMs: WAIT_MS,
    migrate,
    onFault,
  })
  const { directory, registry } = access
  if (!access.isUsable) {
    await access.close()
    throw new RegistryUnavailableError('the registry cannot be opened, and no snapshot stands in for it', {
      cause: registry.fault,
    })
  }
  const backends = lateOpener(
    new Sealer(keys),
    registry,
    routerOptions,
    new PasswordSource(passwordProviders),
    lookup && ((target, terms) => openConnection({ ...target, lookup }, terms)),
  )
  const router = new AppRouter({ directory, registry, backends, onClosed: () => access.close() }, rest)
  auditFences(router, registry, onFault) // for as long as the router
  return router
}

const EXPECTED = {
  registry: 'postgres://…, consul://… or file:PATH',
  masterKey: 'kid:base64, as `tenantry init` writes it into tenantry-master.key',
}

/** What comes from a variable that is not set is undefined, or empty. */
function refuseMissing(given: Readonly<Record<keyof typeof EXPECTED, unknown>>): void {
  const faults = Object.entries(EXPECTED).flatMap(([name, expected]) =>
    given[name as keyof typeof EXPECTED] ? [] : [`${name} is not given; expected ${expected}`],
  )
  if (faults.length > 0) throw new InvalidConfigError(faults)
}

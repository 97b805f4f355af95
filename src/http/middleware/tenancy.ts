import type { Context, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { Sql } from '../../connection/sql.ts'
import { ForbiddenError, TenantryError } from '../../errors.ts'
import { CallAudit } from '../../resolve/call-audit.ts'
import type { ProvedCaller, ProvingSource, Source } from '../../resolve/source.ts'
import { type Resolved, TenantResolver } from '../../resolve/tenant-resolver.ts'
import { TrustedProxies } from '../../resolve/trusted-proxies.ts'
import { statusError } from '../../router/admission.ts'
import type { AppRouter } from '../../router/app-router.ts'
import type { Lease } from '../../router/lease.ts'
import type { LeaseOptions } from '../../router/lease-options.ts'
import { runAsGeneration } from '../../tenant/tenant-context.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import { warn } from '../../warn.ts'
import { originOf } from '../request-origin.ts'
import { singleHeader } from '../single-header.ts'
import { RequestLease } from './request-lease.ts'
import { SharedHandles } from './shared-handles.ts'
import { refusal } from './tenancy-errors.ts'

/** What a handler behind `tenancy()` finds in `c.var`. */
export interface TenancyEnv {
  Variables: {
    /** Proved, and active. */
    tenant: TenantId
    /** Who asks. */
    caller: ProvedCaller
    /** The client's address, behind proxies that are trusted; undefined in an app that is called without a server. */
    clientAddress: string | undefined
    /** postgres.js's `Sql`, of this tenant alone: a lease for each statement and each transaction. */
    sql: Sql
    /**
     * One lease for the whole request, released when its response has ended, to the last byte of a stream. To be called
     * before the response is returned.
     */
    lease: (options?: LeaseOptions) => Promise<Lease>
  }
}

/**
 * Whether the caller of this request, as the application's own login knows it, may be the tenant. It is asked of every
 * tenant that a request names, also of those that do not exist, and should cost the same for all. Anything but true is no.
 */
export type Authorize = (c: Context, tenant: TenantId) => boolean | Promise<boolean>

interface SharedOptions {
  readonly router: Pick<AppRouter, 'directory' | 'registry' | 'lease' | 'sql' | 'atClose'>
  /** Addresses and CIDR blocks whose `X-Forwarded-For` and `X-Forwarded-Host` are believed. Default: nobody's. */
  readonly trustedProxies?: readonly string[]
  /** Hears of refusals that could not be written into the audit; they are tried again. Default: a process warning. */
  readonly onFault?: (fault: unknown) => void
}

/** Where no source proves who asks, `authorize` must. */
type Proved<S extends readonly Source[]> = [Extract<S[number], ProvingSource>] extends [never]
  ? { readonly authorize: Authorize }
  : { readonly authorize?: Authorize }

/** What `tenancy()` works with. Where no source of `resolve` proves who asks, it must have `authorize`. */
export type TenancyOptions<S extends readonly Source[]> = SharedOptions & {
  /** `apiKey()` and `jwt()` prove; `host()`, `header()` and `path()` name. */
  readonly resolve: S
} & Proved<S>

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Hono middleware: finds the tenant of a request, proves that the caller may be it, and runs what comes after as that
 * tenant. A request whose names do not fit its proof, each other, or any tenant, is answered 404 `tenant_unknown`; 403,
 * 410, 423 and 503 are for a caller who has proved to be the tenant.
 * Refusals are `HTTPException`s with the error as their cause: `app.onError` sees them.
 * @throws {InvalidConfigError} where nothing proves who asks.
 */
export function tenancy<const S extends readonly Source[]>(
  options: TenancyOptions<S>,
): MiddlewareHandler<TenancyEnv> {
  const {
    router,
    resolve,
    authorize,
    trustedProxies = [],
    onFault = warn,
  }: SharedOptions & {
    readonly resolve: readonly Source[]
    readonly authorize?: Authorize
  } = options
  const proxies = new TrustedProxies(trustedProxies)
  const audit = new CallAudit(router.registry, { onFault })
  router.atClose(() => audit.close())
  const resolver = new TenantResolver(router.directory, resolve, audit, authorize !== undefined)
  const handles = new SharedHandles(router)

  const resolved = async (c: Context): Promise<Resolved & { readonly client: string | undefined }> => {
    const { client, host } = originOf(c, proxies)
    const facts = { host, path: c.req.path, header: (name: string) => singleHeader(c.req, name) }
    const permission = authorize && ((tenant: TenantId) => authorize(c, tenant))
    const { tenant, caller } = await resolver.resolve({ facts, permission, client })
    const refused = statusError(tenant) ?? readOnlyError(caller, c.req.method)
    if (refused) throw refused
    return { tenant, caller, client }
  }

  return createMiddleware<TenancyEnv>(async (c, next) => {
    const { tenant, caller, client } = await resolved(c).catch((error: unknown) => refuse(c, error))
    const lease = new RequestLease(router, tenant.id, c)
    c.set('tenant', tenant.id)
    c.set('caller', caller)
    c.set('clientAddress', client)
    c.set('sql', handles.of(tenant.id))
    c.set('lease', (terms) => lease.take(terms))
    try {
      await runAsGeneration(tenant, next)
      lease.answered()
    } catch (error) {
      lease.end()
      throw error
    }
  })
}

/** What `authorize` throws is the application's. */
function refuse(c: Context, error: unknown): never {
  throw error instanceof TenantryError ? refusal(c, error) : error
}

/** Which of its own statements write, only an application knows; which methods do, HTTP says. */
function readOnlyError(caller: ProvedCaller, method: string): ForbiddenError | undefined {
  if (caller.kind !== 'key' || !caller.readOnly || READS.has(method)) return undefined
  return new ForbiddenError(`key ${caller.id} is read-only, and the method ${method}`)
}

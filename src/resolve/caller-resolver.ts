import { NoTenantError, TenantUnknownError, UnauthorizedError } from '../errors.ts'
import type { KeyRecord } from '../registry/key-record.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { CallObserver } from './call-observer.ts'
import type { Caller } from './caller.ts'
import { type AliasSource, HostResolver } from './host-resolver.ts'
import { isForTenant, type ScopeOf, type TenantSource, tenantOfKey } from './key-tenant.ts'
import { type KeySource, KeyVerifier } from './key-verifier.ts'
import { TrustedProxies } from './trusted-proxies.ts'

/** What a request says of itself. */
export interface Claims {
  readonly authorization: string | undefined
  readonly host: string | undefined
  /** The value of `X-Tenant-ID`. */
  readonly tenant: string | undefined
  /** As that header, where `tenant` was read from elsewhere. */
  readonly tenantAlso?: string | undefined
  /** The client's address, for the audit. */
  readonly client?: string | undefined
}

/** The part of the directory that is read here. */
export interface CallerSource extends KeySource, AliasSource, TenantSource {}

export interface CallerResolverOptions {
  readonly baseDomain?: string | undefined
  /** Addresses and CIDR blocks whose word counts for where a request came from. Default: nobody's. */
  readonly trustedProxies?: readonly string[]
  /** Wall clock in milliseconds, for expiry. */
  readonly now?: () => number
  /** Default: nobody. */
  readonly observer?: CallObserver
}

/**
 * Claims → caller. A tenant key names its tenant, and host and header must agree with it; a service key must
 * be told the tenant by header or host. Whatever does not fit together, is unknown, or is not for this key,
 * reads the same outside: `tenant_unknown`.
 */
export class CallerResolver {
  /** For whoever makes claims of requests. */
  readonly proxies: TrustedProxies
  readonly #source: CallerSource
  readonly #keys: KeyVerifier
  readonly #hosts: HostResolver
  readonly #observer: CallObserver | undefined

  constructor(source: CallerSource, options: CallerResolverOptions = {}) {
    this.#source = source
    this.#keys = new KeyVerifier(source, options.now)
    this.#hosts = new HostResolver(source, options.baseDomain)
    this.#observer = options.observer
    this.proxies = new TrustedProxies(options.trustedProxies ?? [])
  }

  /**
   * The key comes first: without one, nobody makes us look up names.
   * @throws {UnauthorizedError | NoTenantError | InvalidTenantIdError | TenantUnknownError | RegistryUnavailableError}
   */
  async resolve(claims: Claims, signal?: AbortSignal): Promise<Caller> {
    const key = await this.#keys.verify(claims.authorization, signal)
    const named = [claims.tenant, claims.tenantAlso].flatMap((id) =>
      id === undefined ? [] : [parseTenantId(id)],
    )
    switch (key.scope.kind) {
      case 'tenant':
        return {
          key,
          trust: 'foreign',
          tenant: await this.#ownTenant(key, key.scope, named, claims, signal),
        }
      case 'service':
        return {
          key,
          trust: 'application',
          tenant: await this.#anyTenant(key, key.scope, named, claims, signal),
        }
      case 'operator':
        throw new UnauthorizedError(`operator key ${key.id} on the tenant plane`)
    }
  }

  async #ownTenant(
    key: KeyRecord,
    scope: ScopeOf<'tenant'>,
    named: readonly TenantId[],
    { host, client }: Claims,
    signal: AbortSignal | undefined,
  ): Promise<TenantRecord> {
    const tenant = await tenantOfKey(this.#source, scope, signal)
    const byHost = host === undefined ? undefined : await this.#hosts.agreedTenantOf(host, signal)
    for (const other of [...named, byHost])
      if (other !== undefined && other !== tenant.id) {
        this.#observer?.refused(key, other, 'tenant_mismatch', client)
        throw new TenantUnknownError(`a key of tenant ${tenant.id} was used for ${other}`)
      }
    return tenant
  }

  async #anyTenant(
    key: KeyRecord,
    scope: ScopeOf<'service'>,
    named: readonly TenantId[],
    claims: Claims,
    signal: AbortSignal | undefined,
  ): Promise<TenantRecord> {
    const [first] = named
    const byHost = await this.#tenantByHost(claims.host, first !== undefined, signal)
    const id = first ?? byHost
    if (id === undefined)
      throw new NoTenantError('a service key was used without X-Tenant-ID or a tenant host')
    const tenant = (await this.#source.tenant(id, signal))?.record
    const other = [...named, byHost].find((name) => name !== undefined && name !== id)
    if (other !== undefined) {
      this.#observer?.refused(key, id, 'names_differ', claims.client)
      throw new TenantUnknownError(`the request names ${id} and ${other}`)
    }
    if (!tenant) throw new TenantUnknownError(`tenant ${id} is not in the registry`)
    if (!isForTenant(scope, tenant)) {
      this.#observer?.refused(key, id, 'labels_differ', claims.client)
      throw new TenantUnknownError(`service key ${key.id} is not for tenant ${id}: its labels differ`)
    }
    this.#observer?.served(key, id)
    return tenant
  }

  #tenantByHost(host: string | undefined, isNamed: boolean, signal: AbortSignal | undefined) {
    if (host === undefined) return undefined
    return isNamed ? this.#hosts.agreedTenantOf(host, signal) : this.#hosts.tenantOf(host, signal)
  }
}

import { isIP } from 'node:net'
import { InvalidRequestError, RegistryUnavailableError } from '../errors.ts'
import type { AliasKind } from '../registry/alias-record.ts'
import type { Entry } from '../registry/registry.ts'
import { isReservedTenantId, parseTenantId, type TenantId } from '../tenant/tenant-id.ts'

/** The part of the directory that is read here. */
export interface AliasSource {
  tenantByAlias(kind: AliasKind, value: string, signal?: AbortSignal): Promise<Entry<'tenant'> | undefined>
}

/** Letters, digits, hyphens and dots; an IPv6 address in brackets; a port. Nothing else names a host. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::\d{1,5})?$/

/** Host → tenant: the label before the base domain, or a hostname that is an alias of the tenant. */
export class HostResolver {
  readonly #aliases: AliasSource
  readonly #suffix: string | undefined
  readonly #baseDomain: string | undefined

  /** @param baseDomain `acme.<baseDomain>` names the tenant `acme`; undefined: only aliases name tenants. */
  constructor(aliases: AliasSource, baseDomain: string | undefined) {
    this.#aliases = aliases
    this.#baseDomain = baseDomain?.toLowerCase()
    this.#suffix = this.#baseDomain === undefined ? undefined : `.${this.#baseDomain}`
  }

  /**
   * Undefined where the host names no tenant: the service's own name, an address, an unknown name.
   * @throws {InvalidRequestError} not a host; {InvalidTenantIdError} the label before the base domain is no
   * tenant id; {RegistryUnavailableError}
   */
  async tenantOf(host: string, signal?: AbortSignal): Promise<TenantId | undefined> {
    const name = HOST.exec(host.toLowerCase())?.[1]
    if (name === undefined) throw new InvalidRequestError('The Host header is not a host name.')
    // No alias is without a dot, and `tenantry:3000` inside a cluster must not cost a look-up each.
    if (!name.includes('.') || isIP(name) || name === this.#baseDomain) return undefined
    if (this.#suffix !== undefined && name.endsWith(this.#suffix)) {
      const label = name.slice(0, -this.#suffix.length)
      return isReservedTenantId(label) ? undefined : parseTenantId(label)
    }
    return (await this.#aliases.tenantByAlias('hostname', name, signal))?.record.id
  }

  /**
   * As `tenantOf`, where something else names the tenant already and the host is only asked to agree: a
   * registry that is down must not fail a known tenant for the sake of a host that is nobody's alias.
   */
  async agreedTenantOf(host: string, signal?: AbortSignal): Promise<TenantId | undefined> {
    try {
      return await this.tenantOf(host, signal)
    } catch (error) {
      if (error instanceof RegistryUnavailableError) return undefined
      throw error
    }
  }
}

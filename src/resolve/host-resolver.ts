import { isIP } from 'node:net'
import { InvalidRequestError, RegistryUnavailableError } from '../errors.ts'
import type { AliasKind } from '../registry/alias-record.ts'
import type { Entry } from '../registry/registry.ts'
import { isReservedTenantId, parseTenantId, type TenantId } from '../tenant/tenant-id.ts'

/** The part of the directory that is read here. */
export interface AliasSource {
  tenantByAlias(kind: AliasKind, value: string, signal?: AbortSignal): Promise<Entry<'tenant'> | undefined>
}

/** What a host says: a tenant, another name that may be somebody's alias, or nothing. */
export type HostReading = { readonly tenant: TenantId } | { readonly alias: string } | undefined

/** A name of 253 characters, a dot at its end and a port. */
const MAX_LENGTH = 260
/**
 * Letters, digits, hyphens and dots; an IPv6 address in brackets; a port. Nothing else names a host: one in other
 * letters travels as its `xn--` form, which is what aliases are compared in.
 */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::\d{1,5})?$/

/** Host → tenant: the label before a base domain, or a hostname that is an alias of the tenant. */
export class HostResolver {
  readonly #aliases: AliasSource
  readonly #baseDomains: ReadonlySet<string>
  /** With the dot before them, the longest first: `acme.eu.example.com` is below `eu.example.com`. */
  readonly #suffixes: readonly string[]

  /** @param baseDomains `acme.<base domain>` names the tenant `acme`; undefined: only aliases name tenants. */
  constructor(aliases: AliasSource, baseDomains: string | readonly string[] | undefined) {
    this.#aliases = aliases
    const domains = [baseDomains ?? []].flat().map((domain) => domain.toLowerCase())
    this.#baseDomains = new Set(domains)
    this.#suffixes = domains.map((domain) => `.${domain}`).sort((a, b) => b.length - a.length)
  }

  /**
   * Undefined for the service's own name, an address, a reserved label, a name without a dot.
   * @throws {InvalidRequestError} not a host; {InvalidTenantIdError} the label before a base domain is no tenant id.
   */
  read(host: string): HostReading {
    const name = host.length > MAX_LENGTH ? undefined : HOST.exec(host.toLowerCase())?.[1]
    if (name === undefined) throw new InvalidRequestError('The Host header is not a host name.')
    // No alias is without a dot, and `tenantry:3000` inside a cluster must not cost a look-up each.
    if (!name.includes('.') || name.startsWith('[') || isIP(name) || this.#baseDomains.has(name))
      return undefined
    const suffix = this.#suffixes.find((each) => name.endsWith(each))
    if (suffix === undefined) return { alias: name }
    const label = name.slice(0, -suffix.length)
    return isReservedTenantId(label) ? undefined : { tenant: parseTenantId(label) }
  }

  /**
   * Undefined where the host names no tenant: as `read`, and an unknown name.
   * @throws as `read`; {RegistryUnavailableError}
   */
  async tenantOf(host: string, signal?: AbortSignal): Promise<TenantId | undefined> {
    const reading = this.read(host)
    if (reading === undefined) return undefined
    if ('tenant' in reading) return reading.tenant
    return (await this.#aliases.tenantByAlias('hostname', reading.alias, signal))?.record.id
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

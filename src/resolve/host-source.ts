import { isIP } from 'node:net'
import { InvalidConfigError } from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { CallerSource } from './caller-resolver.ts'
import { HostResolver } from './host-resolver.ts'
import { type Namer, type NamingSource, NOBODY, type RequestFacts } from './source.ts'

const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/

/**
 * Reads the tenant from the host: `acme.example.com` is `acme`, and a hostname that is an alias of a tenant is that
 * tenant. The base domains themselves, addresses and reserved labels (`www`, `api`, …) name none.
 * @param baseDomains at least one, lower-case, in ASCII (`xn--` for others), without a port.
 * @throws {InvalidConfigError}
 */
export function host(...baseDomains: readonly [string, ...string[]]): NamingSource {
  const wrong = baseDomains.filter((domain) => !DOMAIN.test(domain) || isIP(domain) !== 0)
  if (baseDomains.length === 0 || wrong.length > 0)
    throw new InvalidConfigError([
      `host(${wrong.map((domain) => JSON.stringify(domain)).join(', ')}): base domains are lower-case names such as example.com`,
    ])
  return { proves: false, open: (directory) => new HostNamer(directory, baseDomains) }
}

class HostNamer implements Namer {
  readonly #directory: CallerSource
  readonly #hosts: HostResolver

  constructor(directory: CallerSource, baseDomains: readonly string[]) {
    this.#directory = directory
    this.#hosts = new HostResolver(directory, baseDomains)
  }

  async name(facts: RequestFacts, signal?: AbortSignal): Promise<TenantId | undefined> {
    const reading = facts.host === undefined ? undefined : this.#hosts.read(facts.host)
    if (reading === undefined) return undefined
    if ('tenant' in reading) return reading.tenant
    const entry = await this.#directory.tenantByAlias('hostname', reading.alias, signal)
    // An alias that is somebody's costs a second look-up: one that is nobody's costs the same.
    if (!entry) await this.#directory.tenant(NOBODY, signal)
    return entry?.record.id ?? NOBODY
  }
}

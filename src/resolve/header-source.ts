import { InvalidConfigError } from '../errors.ts'
import { parseTenantId } from '../tenant/tenant-id.ts'
import type { NamingSource } from './source.ts'

const HEADER = /^[a-z0-9-]{1,64}$/
/** They say other things, and some of them who asks. */
const OTHERS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'host', 'forwarded'])

/**
 * Reads the tenant from a header.
 * @param name default: `X-Tenant-ID`.
 * @throws {InvalidConfigError}
 */
export function header(name = 'x-tenant-id'): NamingSource {
  const lower = name.toLowerCase()
  if (!HEADER.test(lower) || OTHERS.has(lower))
    throw new InvalidConfigError([`header(${JSON.stringify(name)}): not a header that may name a tenant`])
  return {
    proves: false,
    open: () => ({
      name: async (facts) => {
        const value = facts.header(lower)
        return value === undefined ? undefined : parseTenantId(value)
      },
    }),
  }
}

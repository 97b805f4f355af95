import { InvalidConfigError } from '../errors.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import type { NamingSource } from './source.ts'

/** Segments of letters, then the one that names the tenant. */
const PATTERN = /^(?<before>(?:\/[A-Za-z0-9._~-]+)*)\/:tenant$/

/**
 * Reads the tenant from a segment of the path: with `/t/:tenant`, `/t/acme/projects` is of `acme`. Paths that do not
 * begin so name none.
 * @throws {InvalidConfigError}
 */
export function path(pattern: string): NamingSource {
  const before = PATTERN.exec(pattern)?.groups?.['before']
  if (before === undefined)
    throw new InvalidConfigError([
      `path(${JSON.stringify(pattern)}): a pattern is segments that end in /:tenant, such as /t/:tenant`,
    ])
  const prefix = `${before}/`
  return { proves: false, open: () => ({ name: async (facts) => tenantIn(facts.path, prefix) }) }
}

/** @throws {InvalidTenantIdError} for a segment in any other form, one with `%` in it too. */
function tenantIn(whole: string, prefix: string): TenantId | undefined {
  if (!whole.startsWith(prefix)) return undefined
  const [segment = ''] = whole.slice(prefix.length).split('/', 1)
  return segment === '' ? undefined : parseTenantId(segment)
}

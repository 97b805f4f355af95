import { InvalidTenantIdError } from '../errors.ts'

declare const brand: unique symbol

/** The name of a tenant: an ASCII slug that also fits a DNS label. Accepted or refused, never normalised. */
export type TenantId = string & { readonly [brand]: 'TenantId' }

const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/

/** Host labels with a meaning of their own; a tenant of that name could never be reached by host. */
const RESERVED: ReadonlySet<string> = new Set(['api', 'apiauth', 'www', 'admin'])

export function isTenantId(text: unknown): text is TenantId {
  return typeof text === 'string' && SLUG.test(text)
}

/** Whether the name may be a slug and still names no tenant. */
export function isReservedTenantId(text: string): boolean {
  return RESERVED.has(text)
}

/** @throws {InvalidTenantIdError} when the text is not a slug. */
export function parseTenantId(text: unknown): TenantId {
  if (!isTenantId(text)) throw new InvalidTenantIdError(text)
  return text
}

/**
 * As `parseTenantId`, for a tenant about to be made: refuses reserved names and `xn--`, which a browser
 * would show as other letters than it is compared by.
 * @throws {InvalidTenantIdError}
 */
export function parseNewTenantId(text: unknown): TenantId {
  const id = parseTenantId(text)
  if (isReservedTenantId(id)) throw new InvalidTenantIdError(id, 'the name is reserved')
  if (id.startsWith('xn--')) throw new InvalidTenantIdError(id, 'names that begin with xn-- are refused')
  return id
}

import { createHash } from 'node:crypto'
import { InvalidRequestError } from '../errors.ts'
import { parseTenantId } from '../tenant/tenant-id.ts'

/** One part of a name. A number is not the text of its digits. */
export type KeyPart = string | number

/**
 * A name for something of one tenant in a place that many share: an object store, a search index, a topic. Two
 * tenants never get the same, nor two generations of one id, nor two lists of parts (`['a', 'b']` is not `['ab']`,
 * `1` not `'1'`). It stays the same when the tenant moves or its login is rotated.
 * @param tenant as `tenantScope()` gives it; a tenant's record will do.
 * @param parts whole numbers or any text; they cannot be read back from the name.
 * @returns `<id>.<generation>.<64 hexadecimal digits>`: at most 122 of the characters a-z, 0-9, `-` and `.`.
 * @throws {InvalidTenantIdError | InvalidRequestError}
 */
export function scopedKey(
  tenant: { readonly id: string; readonly generation: number },
  ...parts: readonly KeyPart[]
): string {
  return `${scopePrefix(tenant)}${digestOf([tenant.id, tenant.generation, ...parts])}`
}

/**
 * What all names of one tenant begin with, and those of no other: to find or delete them all.
 * @throws as `scopedKey`.
 */
export function scopePrefix(tenant: { readonly id: string; readonly generation: number }): string {
  // A slug holds no dot, so that the end of each of the two is known.
  return `${parseTenantId(tenant.id)}.${checked(tenant.generation)}.`
}

/** Of a list whose JSON tells it from every other one: half a surrogate pair is escaped there, and not lost. */
export function digestOf(parts: readonly KeyPart[]): string {
  return createHash('sha256')
    .update(JSON.stringify(parts.map(checked)))
    .digest('hex')
}

function checked<P extends KeyPart>(part: P): P {
  if (typeof part === 'string' || Number.isSafeInteger(part)) return part
  throw new InvalidRequestError('A part of a key must be text or a whole number.')
}

import { z } from 'zod'
import { keptRecord } from '../tenant/kept-record.ts'
import { TenantIdSchema } from '../tenant/tenant-record.ts'

export const AliasKind = z.enum(['hostname', 'external'])
export type AliasKind = z.output<typeof AliasKind>

/** Characters of an alias. */
export const MAX_ALIAS_LENGTH = 255

/** Another name of a tenant: an entry of its own, so that two tenants cannot claim one name. */
export const AliasRecord = keptRecord({
  kind: AliasKind,
  value: z.string().min(1).max(MAX_ALIAS_LENGTH),
  tenant: TenantIdSchema,
  createdAt: z.iso.datetime(),
})
export type AliasRecord = z.output<typeof AliasRecord>

/** The id under which the registry keeps an alias. Unambiguous, since no kind holds a colon. */
export function aliasId(kind: AliasKind, value: string): string {
  return `${kind}:${value}`
}

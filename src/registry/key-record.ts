import { z } from 'zod'
import { keptRecord } from '../tenant/kept-record.ts'
import { Labels, TenantIdSchema } from '../tenant/tenant-record.ts'

export const KeyScope = z.discriminatedUnion('kind', [
  /** Names its tenant; its SQL is foreign. Bound to a generation, so a tenant made anew has no old keys. */
  z.strictObject({ kind: z.literal('tenant'), tenant: TenantIdSchema, generation: z.int().positive() }),
  /** For the team's own backend: every tenant, or those with all of these labels; its SQL is application SQL. */
  z.strictObject({ kind: z.literal('service'), labels: Labels.nullable().default(null) }),
  /** For the operator plane. */
  z.strictObject({ kind: z.literal('operator'), role: z.enum(['viewer', 'operator', 'admin']) }),
])
export type KeyScope = z.output<typeof KeyScope>

export const KeyId = z.string().regex(/^[a-z0-9]{12}$/)

/** An API key `tk_<id>_<secret>`, without the secret. */
export const KeyRecord = keptRecord({
  id: KeyId,
  scope: KeyScope,
  /** SHA-256 of the secret, base64url. The secret has 256 random bits, so a slow hash would add nothing. */
  secretHash: z.string().length(43),
  readOnly: z.boolean().default(false),
  name: z.string().max(128),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
})
export type KeyRecord = z.output<typeof KeyRecord>

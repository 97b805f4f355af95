import { z } from 'zod'
import { TenantDeletedError } from '../../errors.ts'
import { formatApiKey, makeKey } from '../../registry/api-key.ts'
import type { KeyRecord, KeyScope } from '../../registry/key-record.ts'
import type { Secret } from '../../secret.ts'
import { Labels } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { type KeyView, viewKey } from './key-view.ts'

export const CreateKey = z.strictObject({
  scope: z.discriminatedUnion('kind', [
    /** For a tenant itself: its SQL is foreign. */
    z.strictObject({ kind: z.literal('tenant'), tenant: z.string() }),
    /** For the team's own backend: every tenant, or those with all of these labels. */
    z.strictObject({ kind: z.literal('service'), labels: Labels.optional() }),
    z.strictObject({ kind: z.literal('operator'), role: z.enum(['viewer', 'operator', 'admin']) }),
  ]),
  name: z.string().max(128).default(''),
  readOnly: z.boolean().default(false),
  expiresAt: z.iso.datetime().optional(),
})
export type CreateKey = z.input<typeof CreateKey>

export interface KeyCreated {
  readonly key: KeyView
  /** The whole key. It is not kept and cannot be shown again. */
  readonly secret: Secret
}

/** @throws {TenantUnknownError | TenantDeletedError} */
export async function createKey(parts: LifecycleParts, input: CreateKey, actor: string): Promise<KeyCreated> {
  const wanted = CreateKey.parse(input)
  const made = makeKey()
  const record: KeyRecord = {
    id: made.id,
    scope: await scopeOf(parts, wanted.scope),
    secretHash: made.hash,
    readOnly: wanted.readOnly,
    name: wanted.name,
    createdAt: now(),
    expiresAt: wanted.expiresAt ?? null,
    revokedAt: null,
  }
  const detail = { scope: record.scope.kind, name: record.name, readOnly: record.readOnly }
  const audit = auditEntry(actor, 'key.create', made.id, detail)
  const [revision = 0] = await parts.registry.commit(
    { puts: [{ kind: 'key', id: made.id, record }], audit },
    [{ kind: 'key', id: made.id, revision: 0 }],
  )
  return { key: viewKey(record, revision), secret: formatApiKey(made) }
}

async function scopeOf(
  { registry }: LifecycleParts,
  scope: z.output<typeof CreateKey>['scope'],
): Promise<KeyScope> {
  if (scope.kind === 'operator') return scope
  if (scope.kind === 'service') return { kind: 'service', labels: scope.labels ?? null }
  const { record } = await findTenant(registry, scope.tenant)
  if (record.status === 'deleting' || record.status === 'deleted') {
    throw new TenantDeletedError(`tenant ${record.id} is ${record.status}`)
  }
  return { kind: 'tenant', tenant: record.id, generation: record.generation }
}

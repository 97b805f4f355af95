import { z } from 'zod'
import type { KeyRecord } from '../../registry/key-record.ts'
import type { Registry } from '../../registry/registry.ts'

/** A key as operators see it; its secret was shown once, when it was made. */
export type KeyView = Omit<KeyRecord, 'secretHash'> & { readonly revision: number }

export interface KeyPage {
  readonly keys: readonly KeyView[]
  readonly next: string | null
}

export const ListKeys = z.strictObject({
  cursor: z.string().max(255).optional(),
  limit: z.int().min(1).max(1000).default(100),
  /** Those of this tenant. */
  tenant: z.string().optional(),
})
export type ListKeys = z.input<typeof ListKeys>

export function viewKey(record: KeyRecord, revision: number): KeyView {
  const { id, scope, readOnly, name, createdAt, expiresAt, revokedAt } = record
  return { id, scope, readOnly, name, createdAt, expiresAt, revokedAt, revision }
}

export async function listKeys(registry: Registry, input: ListKeys): Promise<KeyPage> {
  const { cursor, limit, tenant } = ListKeys.parse(input)
  const page = await registry.list('key', cursor, { limit, ...(tenant ? { tenant } : {}) })
  return {
    keys: page.entries.map(({ record, revision }) => viewKey(record, revision)),
    next: page.next ?? null,
  }
}

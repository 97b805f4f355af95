import { type AliasKind, aliasId } from '../../src/registry/alias-record.ts'
import { formatApiKey, makeKey } from '../../src/registry/api-key.ts'
import type { KeyRecord, KeyScope } from '../../src/registry/key-record.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { audit } from './world-records.ts'

/** A key as its holder has it, and as the registry keeps it. */
export interface NewKey {
  readonly key: string
  readonly record: KeyRecord
}

export function newKey(scope: KeyScope, change: Partial<KeyRecord> = {}): NewKey {
  const made = makeKey()
  const record = {
    id: made.id,
    scope,
    secretHash: made.hash,
    readOnly: false,
    name: 'test',
    createdAt: new Date().toISOString(),
    expiresAt: null,
    revokedAt: null,
    ...change,
  }
  return { key: formatApiKey(made).reveal(), record }
}

/** In one commit: a file registry writes the whole file for each. */
export async function putKeys(registry: Registry, records: readonly KeyRecord[]): Promise<void> {
  await registry.commit(
    { puts: records.map((record) => ({ kind: 'key', id: record.id, record })), audit: audit('keys') },
    records.map(({ id }) => ({ kind: 'key', id, revision: 0 })),
  )
}

/** Of a tenant's own key. */
export async function scopeOf(registry: Registry, tenant: string): Promise<KeyScope> {
  const entry = await registry.find('tenant', tenant)
  if (!entry) throw new Error(`there is no tenant ${tenant}`)
  return { kind: 'tenant', tenant: entry.record.id, generation: entry.record.generation }
}

/** Another name of a tenant. */
export async function putAlias(
  { registry }: { readonly registry: Registry },
  kind: AliasKind,
  value: string,
  tenant: string,
): Promise<void> {
  const id = aliasId(kind, value)
  const record = { kind, value, tenant: parseTenantId(tenant), createdAt: new Date().toISOString() }
  await registry.commit({ puts: [{ kind: 'alias', id, record }], audit: audit(id) }, [
    { kind: 'alias', id, revision: 0 },
  ])
}

import type { OperationKind } from '../../registry/operation-record.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'

/** The operation of this kind that the tenant's record names and that did not end well; undefined where there is none. */
export async function unfinished(
  registry: Registry,
  tenant: TenantRecord,
  kind: OperationKind,
): Promise<Entry<'operation'> | undefined> {
  if (tenant.operation === null) return undefined
  const entry = await registry.find('operation', tenant.operation)
  return entry?.record.kind === kind && entry.record.state !== 'done' ? entry : undefined
}

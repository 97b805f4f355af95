import { z } from 'zod'
import { TenantUnknownError } from '../../errors.ts'
import type { AliasKind } from '../../registry/alias-record.ts'
import type { ListFilter, Registry } from '../../registry/registry.ts'
import { ServerId } from '../../registry/server-record.ts'
import { parseTenantId } from '../../tenant/tenant-id.ts'
import { Labels, type TenantRecord } from '../../tenant/tenant-record.ts'
import { TENANT_STATUSES } from '../../tenant/tenant-status.ts'

/** A tenant as operators see it: everything but passwords. */
export type TenantView = Omit<TenantRecord, 'route'> & {
  readonly server: string
  readonly database: string
  readonly role: string
  /** Compare-and-set: give it back with a change. */
  readonly revision: number
}

export interface TenantDetail extends TenantView {
  readonly aliases: readonly { readonly kind: AliasKind; readonly value: string }[]
}

export interface TenantPage {
  readonly tenants: readonly TenantView[]
  /** Give it as `cursor` to see more; null on the last page. */
  readonly next: string | null
}

export const ListTenants = z.strictObject({
  cursor: z.string().max(255).optional(),
  limit: z.int().min(1).max(1000).default(100),
  status: z.enum(TENANT_STATUSES).optional(),
  /** Every one of them. */
  labels: Labels.optional(),
  server: ServerId.optional(),
  /** That the route leads into, and that it logs in as: what a server's own views and logs tell of a tenant. */
  database: z.string().min(1).max(63).optional(),
  role: z.string().min(1).max(63).optional(),
  /** What the ids begin with. */
  prefix: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be the beginning of a tenant id')
    .optional(),
})
export type ListTenants = z.input<typeof ListTenants>

export function viewTenant({ route, ...record }: TenantRecord, revision: number): TenantView {
  return { ...record, server: route.server, database: route.database, role: route.role, revision }
}

export async function listTenants(registry: Registry, input: ListTenants): Promise<TenantPage> {
  const { cursor, limit, ...wanted } = ListTenants.parse(input)
  const page = await registry.list('tenant', cursor, { limit, ...filterOf(wanted) })
  return {
    tenants: page.entries.map(({ record, revision }) => viewTenant(record, revision)),
    next: page.next ?? null,
  }
}

function filterOf({
  status,
  labels,
  server,
  database,
  role,
  prefix,
}: Omit<z.output<typeof ListTenants>, 'cursor' | 'limit'>): ListFilter {
  return {
    ...(status ? { status } : {}),
    ...(labels ? { labels } : {}),
    ...(server ? { server } : {}),
    ...(database ? { database } : {}),
    ...(role ? { role } : {}),
    ...(prefix ? { prefix } : {}),
  }
}

/** @throws {InvalidTenantIdError | TenantUnknownError} */
export async function showTenant(registry: Registry, id: string): Promise<TenantDetail> {
  const entry = await registry.find('tenant', parseTenantId(id))
  if (entry === undefined) throw new TenantUnknownError(`tenant ${id} is not in the registry`)
  const { entries } = await registry.list('alias', undefined, { tenant: id, limit: 1000 })
  const aliases = entries.map(({ record: { kind, value } }) => ({ kind, value }))
  return { ...viewTenant(entry.record, entry.revision), aliases }
}

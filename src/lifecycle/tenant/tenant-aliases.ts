import { z } from 'zod'
import {
  AlreadyExistsError,
  NotFoundError,
  PreconditionFailedError,
  TenantDeletedError,
} from '../../errors.ts'
import { type AliasRecord, aliasId } from '../../registry/alias-record.ts'
import type { Registry } from '../../registry/registry.ts'
import { isDeleted } from '../../tenant/tenant-status.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { decideTenant, findTenant } from './change-tenant.ts'
import { Hostname } from './claim-aliases.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

/** So many are shown with a tenant, so it may have no more. */
const MAX_ALIASES = 1_000

/** As another system writes its ids: compared as it is written, so nothing that cannot be seen may be in it. */
const External = z
  .string()
  .max(255)
  .regex(/^[^\p{C}\s](?:[^\p{C}]*[^\p{C}\s])?$/u, {
    error: 'must be 1 to 255 visible characters, without blanks around them',
  })

/** `hostname`: leads requests of that host to the tenant. `external`: its id elsewhere, as an identity provider's. */
export const AliasName = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('hostname'), value: Hostname }),
  z.strictObject({ kind: z.literal('external'), value: External }),
])
export type AliasName = z.output<typeof AliasName>

export const ListAliases = z.strictObject({
  cursor: z.string().max(300).optional(),
  limit: z.int().min(1).max(1000).default(100),
})
export type ListAliases = z.input<typeof ListAliases>

export type AliasView = Pick<AliasRecord, 'kind' | 'value' | 'createdAt'>

export interface AliasPage {
  readonly aliases: readonly AliasView[]
  readonly next: string | null
}

export interface AliasChanged {
  readonly alias: AliasView
  readonly tenant: TenantView
}

/** @throws {InvalidTenantIdError | TenantUnknownError} */
export async function listAliases(registry: Registry, id: string, input: ListAliases): Promise<AliasPage> {
  const { cursor, limit } = ListAliases.parse(input)
  const tenant = await findTenant(registry, id)
  const page = await registry.list('alias', cursor, { tenant: tenant.id, limit })
  return { aliases: page.entries.map(({ record }) => viewAlias(record)), next: page.next ?? null }
}

/**
 * Gives the tenant another name. One that it has already is left as it is.
 * @returns `created` is false for that.
 * @throws {AlreadyExistsError} where another tenant has it. {PreconditionFailedError} where the tenant has as many
 * as it may. {TenantUnknownError | TenantDeletedError}
 */
export async function addAlias(
  { registry }: LifecycleParts,
  tenant: string,
  name: AliasName,
  actor: string,
): Promise<AliasChanged & { readonly created: boolean }> {
  const { kind, value } = AliasName.parse(name)
  const id = aliasId(kind, value)
  let alias: AliasRecord | undefined
  let created = false
  const entry = await decideTenant(registry, tenant, async ({ record }) => {
    if (isDeleted(record)) {
      throw new TenantDeletedError(`tenant ${tenant} is ${record.status}`)
    }
    const there = await registry.find('alias', id)
    created = there === undefined
    if (there !== undefined) {
      if (there.record.tenant !== record.id) throw new AlreadyExistsError(nameOf(kind), value)
      alias = there.record
      return null
    }
    const { entries } = await registry.list('alias', undefined, { tenant, limit: MAX_ALIASES })
    if (entries.length >= MAX_ALIASES) {
      throw new PreconditionFailedError(`A tenant has at most ${MAX_ALIASES} aliases.`)
    }
    alias = { kind, value, tenant: record.id, createdAt: now() }
    return {
      change: {},
      audit: auditEntry(actor, 'tenant.alias.add', tenant, { kind, value }),
      puts: [{ kind: 'alias', id, record: alias }],
      expectations: [{ kind: 'alias', id, revision: 0 }],
    }
  })
  const made = alias ?? { kind, value, createdAt: entry.record.updatedAt }
  return { alias: viewAlias(made), tenant: viewTenant(entry.record, entry.revision), created }
}

/** @throws {NotFoundError} where the tenant has no such alias. {TenantUnknownError} */
export async function removeAlias(
  { registry }: LifecycleParts,
  tenant: string,
  name: AliasName,
  actor: string,
): Promise<AliasChanged> {
  const { kind, value } = AliasName.parse(name)
  const id = aliasId(kind, value)
  let alias: AliasView = { kind, value, createdAt: now() }
  const entry = await decideTenant(registry, tenant, async ({ record }) => {
    const there = await registry.find('alias', id)
    if (there?.record.tenant !== record.id) {
      throw new NotFoundError(`tenant ${tenant} has no ${nameOf(kind)} ${JSON.stringify(value)}`)
    }
    alias = viewAlias(there.record)
    return {
      change: {},
      audit: auditEntry(actor, 'tenant.alias.remove', tenant, { kind, value }),
      removes: [{ kind: 'alias', id }],
      expectations: [{ kind: 'alias', id, revision: there.revision }],
    }
  })
  return { alias, tenant: viewTenant(entry.record, entry.revision) }
}

function nameOf(kind: AliasName['kind']): string {
  return kind === 'hostname' ? 'host name' : 'external id'
}

function viewAlias({ kind, value, createdAt }: AliasView): AliasView {
  return { kind, value, createdAt }
}

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import type { SealBinding, Sealer } from '../../registry/sealing.ts'
import { Sealed } from '../../tenant/sealed.ts'
import { Identity, Isolation, Route, type TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { Names, namesOf } from '../provision/names.ts'
import { Plan, Provisioning } from '../provision/provisioning.ts'
import { connectionLimitFor } from '../provision/role-settings.ts'
import { RotationWaits } from '../rotate/rotation-plan.ts'
import { findServer } from '../server/server-view.ts'
import { Grant } from './access-list.ts'

/** What undoing goes back to. */
export const Before = z.strictObject({
  /** Without its password, which is sealed for the operation. */
  route: Route,
  identity: Identity.nullable(),
  isolation: Isolation.nullable(),
  owner: z.string(),
  database: z.array(Grant),
  /** Null where there was no schema public. */
  publicSchema: z.array(Grant).nullable(),
})
export type Before = z.output<typeof Before>

/** What the steps of adopting and releasing a tenant hand to each other. */
export const AdoptionData = z.strictObject({
  generation: z.int().positive(),
  names: Names,
  /** Of slot A; null once the adoption can be undone no more. */
  password: Sealed.nullable(),
  /** Null also where the old login had none. */
  oldPassword: Sealed.nullable(),
  before: Before,
  /** Of its undoing. */
  waits: RotationWaits.prefault({}),
  /** Whether it can still be undone; if not, why. */
  ended: z.enum(['undone', 'confirmed']).nullable().default(null),
})
export type AdoptionData = z.output<typeof AdoptionData>

/** One run of an adoption, or of its undoing. */
export interface Adopting {
  /** The tenant as it is once adopted, and the admin's sessions. */
  readonly provisioning: Provisioning
  readonly before: Before
  readonly waits: AdoptionData['waits']
}

/** The same as long as the tenant is the same, so that a plan names the roles that will be made. */
export function namesFor(registry: Registry, { id, generation, epoch, route }: TenantRecord): Names {
  const digest = createHash('sha256').update(`adopt ${registry.id} ${id} ${generation} ${epoch}`).digest()
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  const stem = `t_${Array.from(digest.subarray(0, 26), (byte) => alphabet[byte % 32]).join('')}`
  const incarnation = uuidOf(createHash('sha256').update(`incarnation ${stem}`).digest())
  return { ...namesOf(stem, incarnation), database: route.database }
}

/** Version 8: of bits that we choose (RFC 9562). */
function uuidOf(digest: Buffer): string {
  const hex = digest.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** @throws {PreconditionFailedError} */
export function adminSealerOf({ adminSealer }: LifecycleParts): Sealer {
  if (adminSealer !== undefined) return adminSealer
  throw new PreconditionFailedError('Adopting needs TENANTRY_ADMIN_KEY, which opens admin passwords.')
}

/** Of values at the top of the operation's data: rewrapping finds them by their names. */
export function adoptionBinding(
  registry: Pick<Registry, 'id'>,
  { id, generation }: Pick<TenantRecord, 'id' | 'generation'>,
  name: 'password' | 'oldPassword',
): SealBinding {
  return { registry: registry.id, subject: id, generation, field: `operation.${name}` }
}

/** A sealed value of the operation as the tenant's route holds it. */
function asRoutes(
  { registry, sealer }: LifecycleParts,
  tenant: TenantRecord,
  data: AdoptionData,
  name: 'password' | 'oldPassword',
) {
  const sealed = data[name]
  if (sealed === null) return null
  const secret = sealer.open(sealed, adoptionBinding(registry, tenant, name))
  return sealer.seal(secret, tenantPasswordBinding(registry.id, tenant))
}

/** The tenant as it is once adopted. */
function adopted(parts: LifecycleParts, tenant: TenantRecord, data: AdoptionData): TenantRecord {
  const { names, before } = data
  const { server, database, readOnly } = before.route
  const password = asRoutes(parts, tenant, data, 'password')
  return {
    ...tenant,
    origin: 'provisioned',
    route: { server, database, role: names.slots.a, password, slot: 'a', readOnly },
    identity: { kind: 'stamp', incarnation: names.incarnation },
  }
}

/** The tenant as it was before. */
export function asBefore(parts: LifecycleParts, tenant: TenantRecord, data: AdoptionData): TenantRecord {
  const { route, identity, isolation } = data.before
  const password = asRoutes(parts, tenant, data, 'oldPassword')
  return { ...tenant, origin: 'registered', route: { ...route, password }, identity, isolation }
}

/** @throws {PreconditionFailedError | SealingFailedError} where this process lacks a key. */
export async function adoptingOf(
  parts: LifecycleParts,
  tenant: TenantRecord,
  data: AdoptionData,
): Promise<Adopting> {
  const server = await findServer(parts.registry, data.before.route.server)
  const plan = Plan.parse({
    ...data.names,
    generation: data.generation,
    connectionLimit: connectionLimitFor(tenant.limits, server.budget, parts.maxConnectionsPerTenant),
    schemaSha256: null,
  })
  const given = { tenant: adopted(parts, tenant, data), server, plan, schema: undefined }
  return {
    provisioning: new Provisioning(parts, adminSealerOf(parts), given),
    before: data.before,
    waits: data.waits,
  }
}

/** The adoption of a tenant that was neither undone nor confirmed, whether it is done, failed or under way. */
export async function adoptionOf(
  registry: Registry,
  { id, generation }: TenantRecord,
): Promise<{ readonly entry: Entry<'operation'>; readonly data: AdoptionData } | undefined> {
  for await (const entry of everyEntry(registry, 'operation', { tenant: id })) {
    if (entry.record.kind !== 'adopt') continue
    const data = AdoptionData.parse(entry.record.data)
    if (data.ended === null && data.generation === generation) return { entry, data }
  }
  return undefined
}

import type { z } from 'zod'
import { AlreadyExistsError, PreconditionFailedError } from '../../errors.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import type { SealBinding, Sealer } from '../../registry/sealing.ts'
import type { ServerRecord, Spare } from '../../registry/server-record.ts'
import { parseNewTenantId, type TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { Operation } from '../operation/operation.ts'
import { type LifecycleParts, now } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { inTurn } from '../server/turn.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { claimAliases } from '../tenant/claim-aliases.ts'
import { adminSealerOf } from './admin-key.ts'
import type { CreateTenant } from './create-tenant.ts'
import { countPlaced } from './crowds.ts'
import { keptText, sha256 } from './kept-text.ts'
import { chooseNames, namesOf, randomPassword } from './names.ts'
import { type Placement, placeTenant, templateOn } from './place-tenant.ts'
import { Plan, Provisioning } from './provisioning.ts'
import { connectionLimitFor, settingsFor } from './role-settings.ts'
import { spareFor, takingSpare } from './spare/claim-spare.ts'

export interface Reserved {
  readonly operation: Operation
  readonly provisioning: Provisioning
  /** Null where it was placed by an earlier run. */
  readonly placement: Placement | null
}

type Wanted = z.output<typeof CreateTenant>

/**
 * Takes the tenant's name in the registry and chooses every other name, before anything is made on a server;
 * or finds what an earlier run took and chose. `'there'`: the tenant is made already.
 */
export function reserve(parts: LifecycleParts, wanted: Wanted, actor: string): Promise<Reserved | 'there'> {
  // Whoever else takes a spare of the server changes its record.
  return inTurn(() => look(parts, wanted, actor))
}

async function look(parts: LifecycleParts, wanted: Wanted, actor: string): Promise<Reserved | 'there'> {
  const id = parseNewTenantId(wanted.id)
  const adminSealer = adminSealerOf(parts)
  const before = await parts.registry.find('tenant', id)
  if (before === undefined) return begin(parts, adminSealer, id, wanted, actor)
  if (before.record.origin !== 'provisioned') throw new AlreadyExistsError('tenant', id)
  const { status } = before.record
  if (status === 'active') return 'there'
  if (status !== 'provisioning' && status !== 'failed') throw new AlreadyExistsError('tenant', id)
  const operation = await operationOf(parts.registry, before.record)
  const begun = Plan.parse(operation.record.data)
  const given = sha256(wanted.schema)
  const mayCorrect = wanted.schema !== undefined && !operation.record.stepsDone.includes('schema')
  if (given !== begun.schemaSha256 && !mayCorrect) {
    throw new PreconditionFailedError(
      `Tenant ${id} was begun with another schema text. Give the same again to go on.`,
    )
  }
  return goOn(parts, operation, actor, wanted.schema)
}

/**
 * Goes on with one that was begun.
 * @param schema default: the text that was kept with it.
 * @throws {PreconditionFailedError} where that was too long to be kept.
 */
export async function goOn(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
  schema?: string,
): Promise<Reserved> {
  const { registry, sealer } = parts
  const adminSealer = adminSealerOf(parts)
  const { record } = await findTenant(registry, operation.record.tenant ?? '')
  const begun = Plan.parse(operation.record.data)
  const kept = schema ?? (begun.schema && sealer.open(begun.schema, schemaBinding(registry, record)).reveal())
  if (kept === null && begun.schemaSha256 !== null && !operation.record.stepsDone.includes('schema')) {
    throw new PreconditionFailedError(
      `The schema text of tenant ${record.id} is too long to be kept: create it again with the same text to go on.`,
    )
  }
  const text = kept ?? undefined
  const plan = { ...begun, ...keptSchema(parts, record, text) }
  const change = {
    operation: { data: plan },
    tenant: { status: 'provisioning' as const, statusReason: null },
  }
  const server = await findServer(registry, record.route.server)
  return {
    operation: await Operation.take(parts, operation, actor, change),
    provisioning: new Provisioning(parts, adminSealer, { tenant: record, server, plan, schema: text }),
    placement: null,
  }
}

async function begin(
  parts: LifecycleParts,
  adminSealer: Sealer,
  id: TenantId,
  wanted: Wanted,
  actor: string,
): Promise<Reserved> {
  const { registry } = parts
  const { server, placement } = await placeTenant(registry, wanted)
  const spare = wanted.spare ? spareFor(server.record, wanted.template) : undefined
  const plan = planFor(
    parts,
    { id, generation: await registry.nextGeneration() },
    wanted,
    server.record,
    spare,
  )
  const tenant = tenantAsPlanned(parts, id, wanted, server.id, plan)
  const aliases = await claimAliases(registry, id, wanted.hostnames)
  const taking = spare && takingSpare(server, spare)
  const { schema } = wanted
  const provisioning = new Provisioning(parts, adminSealer, { tenant, server: server.record, plan, schema })
  provisioning.early(() => (plan.spare ? provisioning.adminInside() : provisioning.admin()))
  try {
    const operation = await Operation.begin(
      parts,
      {
        kind: 'provision',
        tenant: { kind: 'tenant', id, revision: 0, record: tenant },
        to: server.id,
        data: plan,
        detail: { server: server.id, database: plan.database, spare: plan.spare },
      },
      actor,
      {
        puts: [...aliases.puts, ...(taking?.puts ?? [])],
        // Whoever takes the server off the record, or closes it to tenants, raises its revision.
        expectations: [...aliases.expectations, ...(taking?.expectations ?? [server])],
      },
    )
    await countPlaced(registry, server.id)
    return { operation, provisioning, placement }
  } catch (error) {
    await provisioning[Symbol.asyncDispose]()
    throw error
  }
}

function planFor(
  parts: LifecycleParts,
  tenant: Pick<TenantRecord, 'id' | 'generation'>,
  wanted: Wanted,
  server: ServerRecord,
  spare: Spare | undefined,
): Plan {
  const { template: name, strategy, limits, connectionLimit, settings, extensions, schema } = wanted
  const template = name === undefined ? undefined : templateOn(server, name)
  return {
    ...(spare ? namesOf(spare.database, spare.incarnation) : chooseNames()),
    ...(template ? { template } : {}),
    ...(strategy ? { strategy } : {}),
    generation: tenant.generation,
    spare: spare !== undefined,
    connectionLimit:
      connectionLimit ?? connectionLimitFor(limits, server.budget, parts.maxConnectionsPerTenant),
    settings: settingsFor(limits, settings),
    extensions,
    ...keptSchema(parts, tenant, schema),
  }
}

function tenantAsPlanned(
  { registry, sealer }: LifecycleParts,
  id: TenantId,
  wanted: Wanted,
  server: string,
  plan: Plan,
): TenantRecord {
  const at = now()
  const binding = tenantPasswordBinding(registry.id, { id, generation: plan.generation })
  return {
    id,
    generation: plan.generation,
    epoch: 1,
    status: 'provisioning',
    statusReason: null,
    origin: 'provisioned',
    route: {
      server,
      database: plan.database,
      role: plan.slots.a,
      password: sealer.seal(randomPassword(), binding),
      slot: 'a',
      readOnly: null,
    },
    identity: { kind: 'stamp', incarnation: plan.incarnation },
    isolation: null,
    limits: wanted.limits,
    labels: wanted.labels,
    schemaVersion: plan.template?.name ?? null,
    operation: null,
    deletion: null,
    createdAt: at,
    updatedAt: at,
  }
}

async function operationOf(registry: Registry, tenant: TenantRecord): Promise<Entry<'operation'>> {
  const entry = tenant.operation === null ? undefined : await registry.find('operation', tenant.operation)
  if (entry?.record.kind === 'provision') return entry
  throw new PreconditionFailedError(
    `Tenant ${tenant.id} is ${tenant.status} and no operation tells how to go on.`,
  )
}

function keptSchema(
  { registry, sealer }: LifecycleParts,
  tenant: Pick<TenantRecord, 'id' | 'generation'>,
  schema: string | undefined,
): Pick<Plan, 'schema' | 'schemaSha256'> {
  return { schemaSha256: sha256(schema), schema: keptText(sealer, schema, schemaBinding(registry, tenant)) }
}

function schemaBinding(
  registry: Registry,
  { id, generation }: Pick<TenantRecord, 'id' | 'generation'>,
): SealBinding {
  return { registry: registry.id, subject: id, generation, field: 'operation.schema' }
}

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { z } from 'zod'
import { AlreadyExistsError, PreconditionFailedError } from '../../errors.ts'
import type { OperationRecord } from '../../registry/operation-record.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import type { Sealer } from '../../registry/sealing.ts'
import { Secret } from '../../secret.ts'
import { parseNewTenantId, type TenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { allServers } from '../server/server-view.ts'
import { claimAliases } from '../tenant/claim-aliases.ts'
import type { CreateTenant } from './create-tenant.ts'
import { Plan, Provisioning } from './provisioning.ts'

export interface Reserved {
  readonly tenant: Entry<'tenant'>
  readonly operation: Entry<'operation'>
  readonly provisioning: Provisioning
}

type Wanted = z.output<typeof CreateTenant>

/**
 * Takes the tenant's name in the registry and chooses every other name, before anything is made on a server;
 * or finds what an earlier run took and chose. `'there'`: the tenant is made already.
 */
export async function reserve(
  parts: LifecycleParts,
  wanted: Wanted,
  actor: string,
): Promise<Reserved | 'there'> {
  const id = parseNewTenantId(wanted.id)
  const { adminSealer } = parts
  if (adminSealer === undefined) {
    throw new PreconditionFailedError('Provisioning needs TENANTRY_ADMIN_KEY, which opens admin passwords.')
  }
  const before = await parts.registry.find('tenant', id)
  if (before === undefined) return begin(parts, adminSealer, id, wanted, actor)
  if (before.record.origin !== 'provisioned') throw new AlreadyExistsError('tenant', id)
  const { status } = before.record
  if (status === 'active') return 'there'
  if (status === 'provisioning' || status === 'failed') return resume(parts, adminSealer, before, wanted)
  throw new AlreadyExistsError('tenant', id)
}

async function begin(
  parts: LifecycleParts,
  adminSealer: Sealer,
  id: TenantId,
  wanted: Wanted,
  actor: string,
): Promise<Reserved> {
  const { registry, sealer } = parts
  const server = await serverFor(registry, wanted.server)
  const plan = choosePlan(await registry.nextGeneration(), wanted.schema)
  const binding = tenantPasswordBinding(registry.id, { id, generation: plan.generation })
  const at = now()
  const tenant: TenantRecord = {
    id,
    generation: plan.generation,
    epoch: 1,
    status: 'provisioning',
    statusReason: null,
    origin: 'provisioned',
    route: {
      server: server.id,
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
    schemaVersion: null,
    createdAt: at,
    updatedAt: at,
  }
  const operation: OperationRecord = {
    id: randomUUID(),
    kind: 'provision',
    tenant: id,
    stepsDone: [],
    data: plan,
    state: 'running',
    error: null,
    actor,
    startedAt: at,
    updatedAt: at,
  }
  const aliases = await claimAliases(registry, id, wanted.hostnames)
  const audit = auditEntry(actor, 'tenant.provision', id, { server: server.id, database: plan.database })
  const [tenantRevision = 0, operationRevision = 0] = await registry.commit(
    {
      puts: [
        { kind: 'tenant', id, record: tenant },
        { kind: 'operation', id: operation.id, record: operation },
        ...aliases.puts,
      ],
      audit,
    },
    [
      { kind: 'tenant', id, revision: 0 },
      { kind: 'operation', id: operation.id, revision: 0 },
      ...aliases.expectations,
    ],
  )
  return {
    tenant: { kind: 'tenant', id, revision: tenantRevision, record: tenant },
    operation: { kind: 'operation', id: operation.id, revision: operationRevision, record: operation },
    provisioning: new Provisioning(parts, adminSealer, { tenant, server, plan, schema: wanted.schema }),
  }
}

async function resume(
  parts: LifecycleParts,
  adminSealer: Sealer,
  tenant: Entry<'tenant'>,
  wanted: Wanted,
): Promise<Reserved> {
  const { registry } = parts
  const { record } = tenant
  const operation = await operationOf(registry, record)
  const begun = Plan.parse(operation.record.data)
  const plan = { ...begun, schemaSha256: sha256(wanted.schema) }
  const mayCorrect = wanted.schema !== undefined && !operation.record.stepsDone.includes('schema')
  if (plan.schemaSha256 !== begun.schemaSha256 && !mayCorrect) {
    throw new PreconditionFailedError(
      `Tenant ${tenant.id} was begun with another schema text. Give the same again to go on.`,
    )
  }
  const server = await serverFor(registry, record.route.server)
  return {
    tenant: { ...tenant, record: { ...record, status: 'provisioning', statusReason: null } },
    operation: { ...operation, record: { ...operation.record, data: plan, state: 'running', error: null } },
    provisioning: new Provisioning(parts, adminSealer, {
      tenant: record,
      server,
      plan,
      schema: wanted.schema,
    }),
  }
}

async function operationOf(registry: Registry, tenant: TenantRecord): Promise<Entry<'operation'>> {
  for (let cursor: string | undefined; ; ) {
    const page = await registry.list('operation', cursor, { tenant: tenant.id, limit: 1000 })
    const found = page.entries.find(
      ({ record }) => record.kind === 'provision' && record.data['generation'] === tenant.generation,
    )
    if (found !== undefined) return found
    if (page.next === undefined) {
      throw new PreconditionFailedError(
        `Tenant ${tenant.id} is ${tenant.status} and no operation tells how to go on.`,
      )
    }
    cursor = page.next
  }
}

/** The server named, or the only one with an admin. */
async function serverFor(registry: Registry, id: string | undefined) {
  if (id !== undefined) {
    const entry = await registry.find('server', id)
    if (entry === undefined) throw new PreconditionFailedError(`There is no server ${id} on record.`)
    if (entry.record.admin === null) {
      throw new PreconditionFailedError(`Server ${id} has no admin login: add it again with one.`)
    }
    return entry.record
  }
  const able = (await allServers(registry)).filter(({ record }) => record.admin !== null)
  const [only] = able
  if (only === undefined) throw new PreconditionFailedError('No server with an admin login is on record.')
  if (able.length > 1) {
    const names = able.map((entry) => entry.id).join(', ')
    throw new PreconditionFailedError(`More than one server can take the tenant; name one of ${names}.`)
  }
  return only.record
}

/** Names tell nothing: every role of a server can read those of all databases and roles there. */
function choosePlan(generation: number, schema: string | undefined): Plan {
  const database = `t_${randomBase32(26)}`
  return {
    generation,
    database,
    owner: `${database}_owner`,
    slots: { a: `${database}_a`, b: `${database}_b` },
    incarnation: randomUUID(),
    schemaSha256: sha256(schema),
  }
}

function randomBase32(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  return Array.from(randomBytes(length), (byte) => alphabet[byte % 32]).join('')
}

function randomPassword(): Secret {
  return new Secret(randomBytes(32).toString('base64url'))
}

function sha256(text: string | undefined): string | null {
  return text === undefined ? null : createHash('sha256').update(text).digest('hex')
}

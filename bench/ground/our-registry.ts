import { createKey } from '../../src/lifecycle/key/create-key.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import type { Expectation, Put, Registry } from '../../src/registry/registry.ts'
import { tenantPasswordBinding } from '../../src/registry/route.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import type { ServerRecord } from '../../src/registry/server-record.ts'
import { Secret } from '../../src/secret.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import type { Address, Ground } from './ground.ts'
import type { LoginKind } from './places.ts'
import type { BenchTenant } from './tenants.ts'

/** What it takes to start our router or service over the tenants. */
export interface OurRegistry {
  readonly url: string
  readonly masterKey: string
  readonly serviceKey: string
  /** Tenant → its own key. Empty unless asked for. */
  readonly tenantKeys: ReadonlyMap<string, string>
}

export interface RegistryPlan {
  /** `file:PATH`, or a DSN. */
  readonly url: string
  readonly tenants: readonly BenchTenant[]
  readonly login: LoginKind
  /** Of Postgres, as the router reaches it. */
  readonly postgres: Address
  readonly budget: number
  readonly tls?: boolean
  readonly tenantKeys?: boolean
}

const ACTOR = 'bench'
const SERVER = 'main'
/** Of one commit to a Postgres registry. */
const PUTS_AT_ONCE = 500

/**
 * The records that registering each tenant by its DSN would make, written at once: registering 10,000 looks at
 * 10,000 databases, and is not what is measured.
 */
export async function makeOurRegistry(ground: Ground, plan: RegistryPlan): Promise<OurRegistry> {
  const masterKey = generateMasterKey()
  const sealer = new Sealer(MasterKeys.fromText(masterKey))
  await using registry = await openRegistry(plan.url)
  await commit(registry, [{ kind: 'server', id: SERVER, record: serverRecord(ground, plan) }])
  const sharing = plan.tenants.length > ground.places.length
  const puts: Put[] = []
  for (const tenant of plan.tenants) {
    const record = tenantRecord(await registry.nextGeneration(), tenant, plan, { ground, registry, sealer })
    puts.push({ kind: 'tenant', id: tenant.id, record: sharing ? asLodger(record) : record })
  }
  for (let at = 0; at < puts.length; at += PUTS_AT_ONCE)
    await commit(registry, puts.slice(at, at + PUTS_AT_ONCE))
  const parts = { registry, sealer, adminSealer: undefined }
  const service = await createKey(parts, { scope: { kind: 'service' }, name: ACTOR }, ACTOR)
  const tenantKeys = new Map<string, string>()
  for (const { id } of plan.tenantKeys ? plan.tenants : []) {
    const made = await createKey(parts, { scope: { kind: 'tenant', tenant: id }, name: ACTOR }, ACTOR)
    tenantKeys.set(id, made.secret.reveal())
  }
  return { url: plan.url, masterKey: masterKey.reveal(), serviceKey: service.secret.reveal(), tenantKeys }
}

async function commit(registry: Registry, puts: readonly Put[]): Promise<void> {
  const audit = { actor: ACTOR, action: 'tenant.register', target: SERVER, at: now(), detail: {} }
  const expectations: Expectation[] = puts.map(({ kind, id }) => ({ kind, id, revision: 0 }))
  await registry.commit({ puts, audit }, expectations)
}

function serverRecord({ ca }: Ground, { postgres, budget, tls }: RegistryPlan): ServerRecord {
  return {
    id: SERVER,
    endpoints: [{ role: 'primary', ...postgres }],
    tls: { mode: tls ? 'verify-full' : 'disable', ca: ca ?? null, serverName: null, clientCert: null },
    via: 'direct',
    admin: null,
    passwordProvider: null,
    budget: { maxConnections: budget, headroom: 3 },
    labels: {},
    createdAt: now(),
    updatedAt: now(),
  }
}

interface Writing {
  readonly ground: Ground
  readonly registry: Registry
  readonly sealer: Sealer
}

function tenantRecord(
  generation: number,
  tenant: BenchTenant,
  plan: RegistryPlan,
  { ground, registry, sealer }: Writing,
): TenantRecord {
  const id = parseTenantId(tenant.id)
  const { database, oid, logins } = tenant.place
  const { role, password } = logins[plan.login]
  const binding = tenantPasswordBinding(registry.id, { id, generation })
  return {
    id,
    generation,
    epoch: 1,
    status: 'active',
    statusReason: null,
    origin: 'registered',
    route: {
      server: SERVER,
      database,
      role,
      slot: null,
      readOnly: null,
      password: sealer.seal(new Secret(password), binding),
    },
    identity: {
      kind: 'pin',
      systemIdentifier: ground.systemIdentifier,
      serverAddress: null,
      databaseOid: oid,
      databaseName: database,
      shared: false,
    },
    isolation: {
      isolated: true,
      findings: [],
      checkedAt: now(),
    },
    limits: { weight: 1 },
    labels: {},
    schemaVersion: null,
    operation: null,
    deletion: null,
    createdAt: now(),
    updatedAt: now(),
  }
}

/** Of several tenants in one database. */
function asLodger(record: TenantRecord): TenantRecord {
  const { identity } = record
  if (identity?.kind !== 'pin') return record
  const findings = ['shares its database with others']
  return {
    ...record,
    identity: { ...identity, shared: true },
    isolation: { isolated: false, findings, checkedAt: now() },
  }
}

function now(): string {
  return new Date().toISOString()
}

import { z } from 'zod'
import { type ParsedDsn, parseDsn } from '../../connection/dsn.ts'
import { AlreadyExistsError, PreconditionFailedError } from '../../errors.ts'
import type { Entry, Expectation, Put } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import { ServerId, type ServerRecord } from '../../registry/server-record.ts'
import { type Pin, readPin } from '../../router/identity.ts'
import { parseNewTenantId, type TenantId } from '../../tenant/tenant-id.ts'
import { type Isolation, Labels, TenantLimits, type TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { budgetWithin, type Capacity, measureCapacity } from '../server/capacity.ts'
import { addressOfDsn, nameForServer, serverOfDsn } from '../server/server-of-dsn.ts'
import { allServers } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { claimAliases, Hostname } from './claim-aliases.ts'
import { checkIsolation, rolesLetIn } from './isolation.ts'
import { allTenants } from './neighbours.ts'
import { livesAt, sharesServer } from './pin.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

export const RegisterTenant = z.strictObject({
  id: z.string(),
  route: z.strictObject({ dsn: z.string().min(1).max(4096) }),
  /** A name for the database server, where it is not on record yet. */
  server: ServerId.optional(),
  /** Another tenant may live in the same database. */
  shared: z.boolean().default(false),
  /** Look, and keep nothing. */
  dryRun: z.boolean().default(false),
  hostnames: z.array(Hostname).max(100).default([]),
  limits: TenantLimits.prefault({}),
  labels: Labels.default({}),
})
export type RegisterTenant = z.input<typeof RegisterTenant>

export interface TenantRegistered {
  /** Null after a dry run. */
  readonly tenant: TenantView | null
  /** What the look at the database found. */
  readonly probe: {
    readonly server: string
    readonly serverIsNew: boolean
    readonly postgres: number
    readonly role: string
    readonly pin: Pin
    readonly isolation: Isolation
    /** Tenants that were isolated until now: their role may enter this database. */
    readonly nowNotIsolated: readonly string[]
  }
}

interface Findings {
  readonly server: Entry<'server'>
  readonly capacity: Capacity
  readonly pin: Pin
  readonly isolation: Isolation
  readonly exposed: readonly Entry<'tenant'>[]
}

/**
 * Takes a database that exists into the registry. It is looked at over a read-only session as the tenant's
 * own role; nothing in it, and nothing about it, is changed.
 * @throws {InvalidTenantIdError | InvalidDsnError | AlreadyExistsError | PreconditionFailedError |
 *   LoginFailedError | TlsFailedError | ServerUnavailableError}
 */
export async function registerTenant(
  parts: LifecycleParts,
  input: RegisterTenant,
  actor: string,
): Promise<TenantRegistered> {
  const wanted = RegisterTenant.parse(input)
  const id = parseNewTenantId(wanted.id)
  const dsn = parseDsn(wanted.route.dsn)
  if (await parts.registry.find('tenant', id)) throw new AlreadyExistsError('tenant', id)
  const found = await look(parts, wanted, dsn)
  const probe = {
    server: found.server.id,
    serverIsNew: found.server.revision === 0,
    postgres: found.capacity.version,
    role: dsn.user,
    pin: found.pin,
    isolation: found.isolation,
    nowNotIsolated: found.exposed.map((entry) => entry.id),
  }
  if (wanted.dryRun) return { tenant: null, probe }
  return { tenant: await keep(parts, wanted, id, dsn, found, actor), probe }
}

async function look(
  parts: LifecycleParts,
  wanted: z.output<typeof RegisterTenant>,
  dsn: ParsedDsn,
): Promise<Findings> {
  await using session = await Session.readOnly(dsn)
  const capacity = await measureCapacity(session)
  const server = await serverFor(parts, wanted.server, dsn, capacity)
  const pin = { ...(await readPin(session.connection)), shared: wanted.shared }
  const tenants = await allTenants(parts.registry)
  const there = tenants.find(({ record }) => livesAt(record, pin, server.id))
  if (there !== undefined && !wanted.shared) {
    throw new PreconditionFailedError(
      `Tenant ${there.id} lives in that database. Two tenants in one database need shared (--shared).`,
    )
  }
  const neighbours = tenants.filter(({ record }) => sharesServer(record, pin, server.id))
  const isolation = await checkIsolation(
    session,
    neighbours.map(({ record }) => record),
  )
  const letIn = await rolesLetIn(
    session,
    neighbours.map(({ record }) => record),
  )
  const exposed = neighbours.filter(
    ({ record }) => record.isolation?.isolated && letIn.has(record.route.role),
  )
  return { server, capacity, pin, isolation, exposed }
}

/** The server on record, or a record for it, of revision 0 as it is not kept yet. */
async function serverFor(
  { registry, sealer }: LifecycleParts,
  name: string | undefined,
  dsn: ParsedDsn,
  capacity: Capacity,
): Promise<Entry<'server'>> {
  const servers = await allServers(registry)
  const there = serverOfDsn(servers, dsn)
  if (there !== undefined) {
    if (name === undefined || name === there.id) return there
    throw new PreconditionFailedError(`That server is on record as ${there.id}.`)
  }
  const id = name ?? nameForServer(dsn, servers)
  if (servers.some((entry) => entry.id === id)) throw new AlreadyExistsError('server', id)
  const record: ServerRecord = {
    id,
    ...addressOfDsn(dsn, id, sealer, registry.id),
    via: 'direct',
    admin: null,
    passwordProvider: null,
    budget: budgetWithin(capacity, { maxConnections: undefined, headroom: 3 }),
    labels: {},
    createdAt: now(),
    updatedAt: now(),
  }
  return { kind: 'server', id, revision: 0, record }
}

async function keep(
  { registry, sealer }: LifecycleParts,
  wanted: z.output<typeof RegisterTenant>,
  id: TenantId,
  dsn: ParsedDsn,
  { server, capacity, pin, isolation, exposed }: Findings,
  actor: string,
): Promise<TenantView> {
  const generation = await registry.nextGeneration()
  const at = now()
  const binding = tenantPasswordBinding(registry.id, { id, generation })
  const tenant: TenantRecord = {
    id,
    generation,
    epoch: 1,
    status: 'active',
    statusReason: null,
    origin: 'registered',
    route: {
      server: server.id,
      database: pin.databaseName,
      role: dsn.user,
      password: dsn.password === undefined ? null : sealer.seal(dsn.password, binding),
      slot: null,
      readOnly: null,
    },
    identity: pin,
    isolation,
    limits: withinRole(wanted.limits, capacity),
    labels: wanted.labels,
    schemaVersion: null,
    createdAt: at,
    updatedAt: at,
  }
  const aliases = await claimAliases(registry, id, wanted.hostnames)
  const puts: Put[] = [{ kind: 'tenant', id, record: tenant }, ...aliases.puts]
  const expectations: Expectation[] = [{ kind: 'tenant', id, revision: 0 }, ...aliases.expectations]
  if (server.revision === 0) {
    puts.push({ kind: 'server', id: server.id, record: server.record })
    expectations.push({ kind: 'server', id: server.id, revision: 0 })
  }
  for (const { id: other, revision, record } of exposed) {
    const reason = `role ${record.route.role} may connect to the database of ${id}`
    const lost = { isolated: false, findings: [reason], checkedAt: at }
    puts.push({ kind: 'tenant', id: other, record: { ...record, isolation: lost, updatedAt: at } })
    expectations.push({ kind: 'tenant', id: other, revision })
  }
  const audit = auditEntry(actor, 'tenant.register', id, { server: server.id, isolated: isolation.isolated })
  const [revision = 0] = await registry.commit({ puts, audit }, expectations)
  return viewTenant(tenant, revision)
}

/** A role's CONNECTION LIMIT is a bound that the server keeps: more would be refused. */
function withinRole(limits: TenantRecord['limits'], { roleLimit }: Capacity): TenantRecord['limits'] {
  if (roleLimit === undefined || roleLimit === 0) return limits
  return { ...limits, maxConnections: Math.min(limits.maxConnections ?? roleLimit, roleLimit) }
}

import { z } from 'zod'
import { parseDsn } from '../../connection/dsn.ts'
import { AlreadyExistsError } from '../../errors.ts'
import type { Expectation, Put } from '../../registry/registry.ts'
import { ServerId } from '../../registry/server-record.ts'
import { type Pin, readPin } from '../../router/identity.ts'
import { parseNewTenantId, type TenantId } from '../../tenant/tenant-id.ts'
import { type Isolation, Labels, TenantLimits } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { measureCapacity } from '../server/capacity.ts'
import { isSettled, settleServer } from '../server/cluster.ts'
import { serverOfDsn } from '../server/server-of-dsn.ts'
import { allServers } from '../server/server-view.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { Session } from '../session.ts'
import { claimAliases, Hostname } from './claim-aliases.ts'
import { type Exposure, exposureOf, withExposed } from './expose-first.ts'
import { type Login, lookAround, type Surroundings } from './look-around.ts'
import { registeredTenant } from './registered-tenant.ts'
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
  const { registry } = parts
  const refuseTaken = async () => {
    if (await registry.find('tenant', id)) throw new AlreadyExistsError('tenant', id)
  }
  await refuseTaken()
  const via = serverOfDsn(await allServers(registry), dsn)?.record.via ?? 'direct'
  await using session = await Session.readOnly({ ...dsn, via })
  const login = {
    session,
    dsn,
    capacity: await measureCapacity(session),
    pin: { ...(await readPin(session.connection)), shared: wanted.shared },
  }
  let serverIsNew = false
  const exposed = new Set<string>()
  return await inTurn(async () => {
    await refuseTaken()
    let found = await lookAround(parts, login, wanted)
    serverIsNew ||= found.server.revision === 0
    if (!wanted.dryRun && !isSettled(found.server, login.pin)) {
      await settleServer(registry, found.server, login.pin, actor)
      found = await lookAround(parts, login, wanted)
    }
    const probe = {
      server: found.server.id,
      serverIsNew,
      postgres: login.capacity.version,
      role: dsn.user,
      pin: login.pin,
      isolation: found.isolation,
      nowNotIsolated: [...exposed, ...found.exposed.map((entry) => entry.id)],
    }
    if (wanted.dryRun) return { tenant: null, probe }
    const told = ({ put }: Exposure) => void exposed.add(put.id)
    return { tenant: await keep(parts, { ...wanted, id, told }, login, found, actor), probe }
  })
}

type Newcomer = z.output<typeof RegisterTenant> & {
  readonly id: TenantId
  readonly told: (exposure: Exposure) => void
}

async function keep(
  parts: LifecycleParts,
  { told, ...wanted }: Newcomer,
  login: Login,
  { server, neighbours, isolation, exposed }: Surroundings,
  actor: string,
): Promise<TenantView> {
  const { registry } = parts
  const { id } = wanted
  const generation = await registry.nextGeneration()
  const tenant = registeredTenant(parts, { ...wanted, generation, server: server.id }, login, isolation)
  const aliases = await claimAliases(registry, id, wanted.hostnames)
  const turn = turnOn(neighbours.servers)
  const puts: Put[] = [{ kind: 'tenant', id, record: tenant }, ...aliases.puts, ...turn.puts]
  const expectations: Expectation[] = [
    { kind: 'tenant', id, revision: 0 },
    ...aliases.expectations,
    ...turn.expectations,
  ]
  const exposures = exposed.map((other) => {
    const isSharer = neighbours.sharers.some((sharer) => sharer.id === other.id)
    const reason = isSharer
      ? `shares its database with ${id}`
      : `role ${other.record.route.role} may connect to the database of ${id}`
    return exposureOf(other, reason)
  })
  const audit = auditEntry(actor, 'tenant.register', id, { server: server.id, isolated: isolation.isolated })
  const [revision = 0] = await withExposed(
    registry,
    exposures,
    audit,
    (also) =>
      registry.commit({ puts: [...puts, ...also.puts], audit }, [...expectations, ...also.expectations]),
    told,
  )
  return viewTenant(tenant, revision)
}

import { type ParsedDsn, parseDsn } from '../../connection/dsn.ts'
import { PreconditionFailedError } from '../../errors.ts'
import type { Entry, Expectation, Put } from '../../registry/registry.ts'
import { tenantPasswordBinding } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { pinDifference, readPin } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { refuseHeld } from '../operation/operation-hold.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { measureCapacity } from '../server/capacity.ts'
import { serverOfDsn } from '../server/server-of-dsn.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { Session } from '../session.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { exposureOf, withExposed } from '../tenant/expose-first.ts'
import { type Login, lookAround, type Surroundings } from '../tenant/look-around.ts'
import { viewTenant } from '../tenant/tenant-view.ts'
import type { TenantRotated } from './tenant-rotated.ts'

const CAVEAT =
  'The old password and the sessions opened with it are left as they are: the role is its owner’s to change.'

/**
 * Puts another login on record for a registered tenant, once it was used and found itself in the tenant's own database.
 * @throws {InvalidDsnError | PreconditionFailedError | LoginFailedError | TlsFailedError | ServerUnavailableError}
 */
export async function replaceLogin(
  parts: LifecycleParts,
  { id, record: before }: Entry<'tenant'>,
  server: ServerRecord,
  text: string,
  actor: string,
): Promise<TenantRotated> {
  const dsn = parseDsn(text)
  refuseElsewhere(before, server, dsn)
  await using session = await Session.readOnly({ ...dsn, via: server.via })
  const pin = await readPin(session.connection)
  refuseOther(before, pin)
  const login = { session, dsn, pin, capacity: await measureCapacity(session) }
  return await inTurn(async () => {
    const tenant = await findTenant(parts.registry, id)
    refuseChanged(before, tenant.record)
    await refuseHeld(parts, tenant.record)
    const found = await lookAround(parts, login, { id, shared: true })
    return { ...(await keep(parts, tenant, login, found, actor)), from: before.route.role, to: dsn.user }
  })
}

/** The login changes, not the place. */
function refuseElsewhere({ id, route }: TenantRecord, server: ServerRecord, dsn: ParsedDsn): void {
  const entry = { kind: 'server' as const, id: server.id, revision: 0, record: server }
  if (serverOfDsn([entry], dsn) === undefined)
    throw new PreconditionFailedError(
      `That connection string has another address or TLS than server ${server.id}, where tenant ${id} is.`,
    )
  if (dsn.database !== route.database)
    throw new PreconditionFailedError(
      `That connection string names another database than tenant ${id} has on record.`,
    )
}

function refuseOther({ id, identity }: TenantRecord, pin: Login['pin']): void {
  const difference = identity?.kind === 'pin' ? pinDifference(identity, pin) : 'pin on record'
  if (difference !== undefined)
    throw new PreconditionFailedError(
      `That login does not lead to tenant ${id}: its ${difference} is another.`,
    )
}

function refuseChanged(before: TenantRecord, { id, generation, status, origin, route }: TenantRecord): void {
  if (status !== 'active' && status !== 'suspended')
    throw new PreconditionFailedError(`Tenant ${id} is ${status}: its login stays as it is.`)
  const isSame =
    generation === before.generation &&
    origin === before.origin &&
    route.server === before.route.server &&
    route.database === before.route.database
  if (!isSame)
    throw new PreconditionFailedError(`Tenant ${id} was changed meanwhile: look, and rotate it again.`)
}

async function keep(
  { registry, sealer }: LifecycleParts,
  { id, revision, record }: Entry<'tenant'>,
  { dsn }: Login,
  { neighbours, isolation, exposed }: Surroundings,
  actor: string,
): Promise<Omit<TenantRotated, 'from' | 'to'>> {
  const at = now()
  const { password } = dsn
  const sealed =
    password === undefined ? null : sealer.seal(password, tenantPasswordBinding(registry.id, record))
  const after: TenantRecord = {
    ...record,
    epoch: record.epoch + 1,
    route: { ...record.route, role: dsn.user, password: sealed },
    isolation,
    rotatedAt: at,
    updatedAt: at,
  }
  const turn = turnOn(neighbours.servers)
  const puts: Put[] = [{ kind: 'tenant', id, record: after }, ...turn.puts]
  const expectations: Expectation[] = [{ kind: 'tenant', id, revision }, ...turn.expectations]
  // Of whom this role is another way in: those that it is the login of, too.
  const exposures = exposed.map((other) =>
    exposureOf(other, `role ${other.record.route.role} may connect to the database of ${id}`),
  )
  const audit = auditEntry(actor, 'tenant.rotate', id, { role: dsn.user, isolated: isolation.isolated })
  const [revisionAfter = 0] = await withExposed(registry, exposures, audit, (also) =>
    registry.commit({ puts: [...puts, ...also.puts], audit }, [...expectations, ...also.expectations]),
  )
  return { tenant: viewTenant(after, revisionAfter), sessionsEnded: 0, caveat: CAVEAT }
}

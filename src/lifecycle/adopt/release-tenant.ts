import { PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { targetOf } from '../../registry/route.ts'
import { proveIdentity, readPin } from '../../router/identity.ts'
import type { Isolation, TenantRecord } from '../../tenant/tenant-record.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { Session } from '../session.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { type Exposure, exposureOf, withExposed } from '../tenant/expose-first.ts'
import { checkIsolation } from '../tenant/isolation.ts'
import { allNeighboursOf, type Neighbours } from '../tenant/neighbours.ts'
import { viewTenant } from '../tenant/tenant-view.ts'
import { holds } from './access-list.ts'
import { type Adopting, AdoptionData, adoptingOf, adoptionOf, asBefore } from './adoption.ts'
import { RELEASE_STEPS } from './release-steps.ts'
import type { TenantAdopted } from './tenant-adopted.ts'

/** When the record leads to the old login again; what follows takes away what adoption made. */
const SWITCH = 'route'

/**
 * Undoes an adoption, whether it came to its end or not: first requests go to the old login again, then what was made
 * is removed and what was taken away is given back. Called again after it failed, it goes on.
 * @throws {PreconditionFailedError} where the tenant was not adopted, that is confirmed, or the old login is refused.
 */
export async function startRelease(
  parts: LifecycleParts,
  id: string,
  waits: AdoptionData['waits'],
  actor: string,
): Promise<Started<TenantAdopted>> {
  const tenant = await findTenant(parts.registry, id)
  const begun = await unfinishedRelease(parts, tenant.record)
  if (begun !== undefined) return resumeRelease(parts, begun, actor)
  const found = await adoptionOf(parts.registry, tenant.record)
  if (found === undefined)
    throw new PreconditionFailedError(
      `Tenant ${id} has no adoption to undo: it was none, or it is confirmed.`,
    )
  const { entry } = found
  // Of an adoption that failed nobody has heard.
  const hearMs = tenant.record.origin === 'registered' ? 0 : waits.hearMs
  const data = { ...found.data, waits: { ...waits, hearMs } }
  if (tenant.record.status !== 'active')
    throw new PreconditionFailedError(`Tenant ${id} is ${tenant.record.status}: make it active, then undo.`)
  refuseCredentials(tenant.record)
  // Before the operation is begun: where the old login is refused, all stays as it is.
  await (await oldLogin(parts, tenant.record, data))[Symbol.asyncDispose]()
  const adopting = await adoptingOf(parts, tenant.record, data)
  const over = { ...data, ended: 'undone', password: null, oldPassword: null }
  const ended = { ...entry.record, data: over, state: 'done' as const, holder: null, updatedAt: now() }
  const operation = await Operation.begin(
    parts,
    {
      kind: 'release',
      tenant,
      from: `role ${tenant.record.route.role}`,
      to: `role ${data.before.route.role}`,
      data,
    },
    actor,
    { puts: [{ kind: 'operation', id: entry.id, record: ended }], expectations: [entry] },
  )
  return carryOut(parts, operation, adopting, data)
}

export async function resumeRelease(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantAdopted>> {
  const data = AdoptionData.parse(entry.record.data)
  const { record } = await findTenant(parts.registry, entry.record.tenant ?? '')
  const adopting = await adoptingOf(parts, record, data)
  return carryOut(parts, await Operation.take(parts, entry, actor), adopting, data)
}

/** They are people's, who are to know. */
function refuseCredentials({ id, credentials = [] }: TenantRecord): void {
  if (credentials.length === 0) return
  const names = credentials.map(({ role }) => role).join(', ')
  throw new PreconditionFailedError(`Tenant ${id} has logins for people and tools: revoke ${names} first.`)
}

async function unfinishedRelease(
  { registry }: LifecycleParts,
  { operation }: TenantRecord,
): Promise<Entry<'operation'> | undefined> {
  const entry = operation === null ? undefined : await registry.find('operation', operation)
  return entry?.record.kind === 'release' && entry.record.state !== 'done' ? entry : undefined
}

function carryOut(
  parts: LifecycleParts,
  operation: Operation,
  adopting: Adopting,
  data: AdoptionData,
): Started<TenantAdopted> {
  return started(operation, async () => {
    await using _sessions = adopting.provisioning
    const { id } = adopting.provisioning.tenant
    if (!operation.record.stepsDone.includes(SWITCH)) await inTurn(() => switchBack(parts, operation, data))
    await operation.run(RELEASE_STEPS, adopting)
    await inTurn(() => finish(parts, operation, data))
    const { record, revision } = await findTenant(parts.registry, id)
    return {
      did: 'undone',
      tenant: viewTenant(record, revision),
      plan: null,
      isReversible: false,
      oldLogin: 'works',
    }
  })
}

/**
 * What the old login owned is not its own for now and will be again: it counts as isolated only where it did before, too.
 * Whoever is let in again counts as not isolated before he is.
 * @throws {RevisionConflictError} where somebody else committed on the cluster since.
 */
async function switchBack(parts: LifecycleParts, operation: Operation, data: AdoptionData): Promise<void> {
  const { record } = await findTenant(parts.registry, operation.record.tenant ?? '')
  const { isolation: found, neighbours } = await lookAsBefore(parts, record, data)
  const { route, identity, isolation: then } = asBefore(parts, record, data)
  const isolation = then?.isolated ? found : then
  await withNeighbours(parts, operation, neighbours, data, ({ exposed, ...turn }) =>
    operation.noteStep(
      SWITCH,
      {},
      {
        ...turn,
        detail: { role: route.role, exposed },
        tenant: ({ epoch, origin }) =>
          // An adoption that failed had not come to the switch.
          origin === 'registered'
            ? {}
            : { origin: 'registered', route, identity, isolation, epoch: epoch + 1 },
      },
    ),
  )
}

/**
 * Whether the old login is isolated now that all is as it was, and who is not that came while the door was still closed.
 * @throws as `switchBack`
 */
async function finish(parts: LifecycleParts, operation: Operation, data: AdoptionData): Promise<void> {
  const { record } = await findTenant(parts.registry, operation.record.tenant ?? '')
  const { isolation, neighbours } = await lookAsBefore(parts, record, data)
  await withNeighbours(parts, operation, neighbours, data, ({ exposed, ...turn }) =>
    operation.done(
      { data: { ...data, ended: 'undone', password: null, oldPassword: null } },
      {
        ...turn,
        detail: { isolated: isolation.isolated, exposed },
        tenant: () => ({ isolation }),
      },
    ),
  )
}

async function lookAsBefore(
  parts: LifecycleParts,
  tenant: TenantRecord,
  data: AdoptionData,
): Promise<{ readonly isolation: Isolation; readonly neighbours: Neighbours }> {
  await using old = await oldLogin(parts, tenant, data)
  const server = await findServer(parts.registry, data.before.route.server)
  const place = { server, pin: await readPin(old.connection), except: tenant.id }
  const neighbours = await allNeighboursOf(parts.registry, old, place)
  return { isolation: await checkIsolation(old, neighbours), neighbours }
}

interface Turn extends ReturnType<typeof turnOn> {
  /** How many neighbours are not isolated any more. */
  readonly exposed: number
}

/**
 * Commits with the turn on the cluster, and with those neighbours that are not isolated any more.
 * @throws {RevisionConflictError} where those were too many for one commit: look again.
 */
function withNeighbours(
  { registry }: LifecycleParts,
  { record: { tenant, actor } }: Operation,
  { servers, tenants }: Neighbours,
  { before }: AdoptionData,
  commit: (turn: Turn) => Promise<void>,
): Promise<void> {
  const turn = turnOn(servers)
  const isOpened = holds(before.database, { grantee: null, privilege: 'CONNECT' })
  const exposed = isOpened ? exposedTo(tenant ?? '', tenants) : []
  const audit = auditEntry(actor, 'tenant.expose', tenant ?? '')
  return withExposed(registry, exposed, audit, (also) =>
    commit({
      puts: [...turn.puts, ...also.puts],
      expectations: [...turn.expectations, ...also.expectations],
      exposed: exposed.length,
    }),
  )
}

/** Neighbours that are isolated until everybody may connect to this tenant's database. */
function exposedTo(tenant: string, neighbours: Neighbours['tenants']): Exposure[] {
  return neighbours
    .filter(({ record }) => record.isolation?.isolated)
    .map((neighbour) =>
      exposureOf(neighbour, `role ${neighbour.record.route.role} may connect to the database of ${tenant}`),
    )
}

/**
 * The login that the tenant had.
 * @throws {LoginFailedError} where it is refused; {IdentityUnknownError} where it leads to another database by now.
 */
async function oldLogin(parts: LifecycleParts, tenant: TenantRecord, data: AdoptionData): Promise<Session> {
  const { registry, sealer } = parts
  const then = asBefore(parts, tenant, data)
  const server = await findServer(registry, then.route.server)
  const session = await Session.readOnly(targetOf(then, server, sealer, registry.id))
  try {
    await proveIdentity(session.connection, then)
    return session
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

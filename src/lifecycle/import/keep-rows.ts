import { PreconditionFailedError, UnsupportedError } from '../../errors.ts'
import { aliasId } from '../../registry/alias-record.ts'
import type { Entry, Expectation, Put } from '../../registry/registry.ts'
import type { Isolation, TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, now } from '../parts.ts'
import { type Capacity, measureCapacity } from '../server/capacity.ts'
import { isSettled, settleServer } from '../server/cluster.ts'
import { serverOfDsn } from '../server/server-of-dsn.ts'
import { allServers } from '../server/server-view.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import type { Session } from '../session.ts'
import { type Exposure, exposureOf, withExposed } from '../tenant/expose-first.ts'
import { isolationOf } from '../tenant/isolation.ts'
import { serverFor } from '../tenant/look-around.ts'
import { livesIn, type Neighbours, neighboursBothWays } from '../tenant/neighbours.ts'
import { registeredTenant, withinRole } from '../tenant/registered-tenant.ts'
import { standingOf } from './check-list.ts'
import type { ImportRow } from './import-row.ts'
import type { ImportRun } from './import-run.ts'
import { openWhereRoom, type Probed } from './probe-row.ts'
import { beyondOwn, doorsFor, powersOf } from './survey.ts'

/** A session on the cluster, and what it has room for. */
interface Site {
  readonly session: Session
  readonly capacity: Capacity
}

interface Newcomer {
  readonly probed: Probed
  /** Of revision 0; what is found of its role comes last. */
  readonly entry: Entry<'tenant'>
}

/** Rows as they are on record after a commit. */
interface Admission {
  readonly newcomers: readonly Newcomer[]
  readonly there: readonly ImportRow[]
  readonly refused: ReadonlyMap<ImportRow, string>
}

/**
 * Puts rows of one cluster on record, in one commit where the registry takes it. The checks are those of `registerTenant`;
 * the registry and the catalogs are asked once for all rows.
 * @throws {PreconditionFailedError | RevisionConflictError | RegistryUnavailableError} whatever ends the operation.
 */
export async function keepRows(run: ImportRun, probed: readonly Probed[]): Promise<void> {
  const [first] = probed
  if (first === undefined) return
  const { registry } = run.parts
  const via = serverOfDsn(await allServers(registry), first.row.dsn)?.record.via ?? 'direct'
  await using session = await openWhereRoom(first.row, via)
  const site = await siteOf(run, session, first)
  if (site instanceof PreconditionFailedError) for (const { row } of probed) run.refuse(row, site.message)
  else await keepInParts(run, site, probed)
}

/** Or why nothing is kept of this server: its version, or that it has no room for a budget. */
async function siteOf(
  run: ImportRun,
  session: Session,
  first: Probed,
): Promise<Site | PreconditionFailedError> {
  try {
    const capacity = await measureCapacity(session)
    await inTurn(() => settledServer(run, first, capacity))
    return { session, capacity }
  } catch (error) {
    if (error instanceof PreconditionFailedError) return error
    throw error
  }
}

async function keepInParts(run: ImportRun, site: Site, probed: readonly Probed[]): Promise<void> {
  try {
    await inTurn(() => keepOnce(run, site, probed))
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
    const [first] = probed
    if (first !== undefined && probed.length === 1) return run.refuse(first.row, error.message)
    const half = Math.ceil(probed.length / 2)
    run.batchRows = Math.min(run.batchRows, half)
    await keepInParts(run, site, probed.slice(0, half))
    await keepInParts(run, site, probed.slice(half))
  }
}

async function keepOnce(
  run: ImportRun,
  { session, capacity }: Site,
  probed: readonly Probed[],
): Promise<void> {
  const [first] = probed
  if (first === undefined) return
  const { parts, operation } = run
  const server = await settledServer(run, first, capacity)
  const place = { server: server.record, pin: first.pin, except: '' }
  const logins = { roles: probed.map(({ role }) => role), pins: probed.map(({ pin }) => pin) }
  const neighbours = await neighboursBothWays(parts.registry, session, place, logins)
  const { newcomers, there, refused } = await admit(run, { server: server.id, neighbours, capacity }, probed)
  const findings = await findingsOn(session, neighbours, newcomers)
  const exposed = await exposedBy(session, neighbours, newcomers)
  const aliases = newcomers.flatMap(({ probed: { row } }) => aliasesOf(row))
  const turn = newcomers.length === 0 ? { puts: [], expectations: [] } : turnOn(neighbours.servers)
  const tenants = newcomers.map(
    ({ entry: { id, record } }): Put => ({
      kind: 'tenant',
      id,
      record: { ...record, ...findings.get(id) },
    }),
  )
  await parts.onStep?.({ tenant: operation.record.id, name: 'rows' })
  const isNew = [...tenants, ...aliases].map(({ kind, id }): Expectation => ({ kind, id, revision: 0 }))
  const expose = ({ put }: Exposure) => run.expose(put.id, put.record.isolation?.findings ?? [])
  const progress = { done: run.done + newcomers.length + there.length, total: run.total }
  const audit = auditEntry(run.actor, 'tenant.expose', first.row.id)
  await withExposed(
    parts.registry,
    exposed,
    audit,
    (also) =>
      operation.keep({ progress }, 'rows', {
        puts: [...tenants, ...aliases, ...turn.puts, ...also.puts],
        expectations: [...isNew, ...turn.expectations, ...also.expectations],
        detail: { server: server.id, tenants: newcomers.map(({ entry }) => entry.id).join(' ') },
      }),
    expose,
  )
  for (const row of there) run.note(row, 'there')
  for (const [row, refusal] of refused) run.refuse(row, refusal)
  for (const {
    probed: { row },
  } of newcomers) {
    run.note(row, 'imported', { findings: findings.get(row.id)?.isolation.findings ?? [] })
  }
  exposed.forEach(expose)
}

/** On record, and known to be the cluster that was seen. */
async function settledServer(
  { parts, actor }: ImportRun,
  { row, pin }: Probed,
  capacity: Capacity,
): Promise<Entry<'server'>> {
  const login = { dsn: row.dsn, capacity }
  const server = await serverFor(parts, undefined, login)
  if (isSettled(server, pin)) return server
  await settleServer(parts.registry, server, pin, actor)
  return serverFor(parts, undefined, login)
}

/** Those that may have their name, their host names and their database, as the registry is now. */
async function admit(
  { parts }: ImportRun,
  { server, neighbours, capacity }: Pick<Site, 'capacity'> & { server: string; neighbours: Neighbours },
  probed: readonly Probed[],
): Promise<Admission> {
  const { registry } = parts
  const newcomers: Newcomer[] = []
  const there: ImportRow[] = []
  const refused = new Map<ImportRow, string>()
  // The registry's, which is asked for each batch and not for each tenant: with its id it is as unique.
  const generation = await registry.nextGeneration()
  const servers = await allServers(registry)
  for (const one of probed) {
    const { row, pin } = one
    const standing = await standingOf(registry, row, servers)
    const isIn = ({ record }: Entry<'tenant'>) => livesIn(record, pin)
    const sharer = neighbours.tenants.find(isIn) ?? newcomers.map(({ entry }) => entry).find(isIn)
    if (standing.kind === 'there') there.push(row)
    else if (standing.kind === 'taken') refused.set(row, standing.what)
    else if (sharer !== undefined && !row.shared) refused.set(row, whoIsThere(sharer))
    else {
      const login = { dsn: row.dsn, capacity: { ...capacity, roleLimit: undefined }, pin }
      const record = registeredTenant(parts, { ...row, generation, server }, login, null)
      newcomers.push({ probed: one, entry: { kind: 'tenant', id: row.id, revision: 0, record } })
    }
  }
  return { newcomers, there, refused }
}

function whoIsThere({ id, record }: Entry<'tenant'>): string {
  return record.status === 'deleted'
    ? `dsn: tenant ${id}, which was deleted and may be undeleted, lives in that database; purge it, or say shared`
    : `dsn: tenant ${id} lives in that database; two tenants in one need shared`
}

/** What the catalogs say of a newcomer's role. */
type Found = Pick<TenantRecord, 'limits'> & { readonly isolation: Isolation }

/** By id. */
async function findingsOn(
  session: Session,
  { tenants }: Neighbours,
  newcomers: readonly Newcomer[],
): Promise<ReadonlyMap<string, Found>> {
  if (newcomers.length === 0) return new Map()
  const entries = [...tenants, ...newcomers.map(({ entry }) => entry)]
  const databases = [
    ...tenants.map(({ record }) => record.route.database),
    ...newcomers.map(({ probed: { pin } }) => pin.databaseName),
  ]
  const roles = newcomers.map(({ probed: { role } }) => role)
  const powers = await powersOf(session, roles, databases)
  const found = newcomers.map(({ probed: { role, pin, row }, entry }): [string, Found] => {
    const others = entries.filter(({ id }) => id !== entry.id)
    const users = others.filter(({ record }) => record.route.role === role).map(({ id }) => id)
    const sharers = others.filter(({ record }) => livesIn(record, pin)).map(({ id }) => id)
    const its = powers.get(role)
    if (its === undefined) {
      const lost = { isolated: false, findings: [`role ${role} is not on the server`], checkedAt: now() }
      return [entry.id, { limits: row.limits, isolation: lost }]
    }
    const isolation = isolationOf(beyondOwn(its, pin.databaseName), users, sharers)
    return [entry.id, { limits: withinRole(row.limits, its.connectionLimit), isolation }]
  })
  return new Map(found)
}

/** Neighbours that are isolated until these databases are tenants'. */
async function exposedBy(
  session: Session,
  { tenants }: Neighbours,
  newcomers: readonly Newcomer[],
): Promise<Exposure[]> {
  const isolated = tenants.filter(({ record }) => record.isolation?.isolated)
  const roles = isolated.map(({ record }) => record.route.role)
  const databases = newcomers.map(({ probed: { pin } }) => pin.databaseName)
  const doors = newcomers.length === 0 ? new Map<string, string>() : await doorsFor(session, roles, databases)
  return isolated.flatMap((neighbour) => {
    const reason = exposure(neighbour.record, newcomers, doors)
    return reason === undefined ? [] : [exposureOf(neighbour, reason)]
  })
}

function exposure(
  record: TenantRecord,
  newcomers: readonly Newcomer[],
  doors: ReadonlyMap<string, string>,
): string | undefined {
  const { role } = record.route
  const sharer = newcomers.find(({ probed }) => livesIn(record, probed.pin))
  if (sharer !== undefined) return `shares its database with ${sharer.entry.id}`
  const user = newcomers.find(({ probed }) => probed.role === role)
  if (user !== undefined) return `role ${role} is used by ${user.entry.id} too`
  const database = doors.get(role)
  const entered = database && newcomers.find(({ probed }) => probed.pin.databaseName === database)
  return entered && `role ${role} may connect to the database of ${entered.entry.id}`
}

function aliasesOf({ id, hostnames }: ImportRow): Put[] {
  return [...new Set(hostnames)].map((value) => ({
    kind: 'alias',
    id: aliasId('hostname', value),
    record: { kind: 'hostname', value, tenant: id, createdAt: now() },
  }))
}

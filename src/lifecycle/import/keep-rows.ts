import { UnsupportedError } from '../../errors.ts'
import { aliasId } from '../../registry/alias-record.ts'
import type { Entry, Expectation, Put } from '../../registry/registry.ts'
import type { Isolation, TenantRecord } from '../../tenant/tenant-record.ts'
import { now } from '../parts.ts'
import { isSettled, settleServer } from '../server/cluster.ts'
import { allServers } from '../server/server-view.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import type { Session } from '../session.ts'
import { isolationOf } from '../tenant/isolation.ts'
import { serverFor } from '../tenant/look-around.ts'
import { livesIn, type Neighbours, neighboursOf } from '../tenant/neighbours.ts'
import { notIsolatedAnyMore, registeredTenant } from '../tenant/registered-tenant.ts'
import { standingOf } from './check-list.ts'
import type { ImportRow } from './import-row.ts'
import type { ImportRun } from './import-run.ts'
import { openWhereRoom, type Probed } from './probe-row.ts'
import { beyondOwn, doorsFor, powersOf } from './survey.ts'

interface Newcomer {
  readonly probed: Probed
  /** Of revision 0; what is found of its isolation comes last. */
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
  const server = await inTurn(() => settledServer(run, first))
  await using session = await openWhereRoom(first.row, server.record.via)
  await keepInParts(run, session, probed)
}

async function keepInParts(run: ImportRun, session: Session, probed: readonly Probed[]): Promise<void> {
  try {
    await inTurn(() => keepOnce(run, session, probed))
  } catch (error) {
    if (!(error instanceof UnsupportedError) || probed.length < 2) throw error
    run.batchRows = Math.min(run.batchRows, Math.ceil(probed.length / 2))
    await keepInParts(run, session, probed.slice(0, run.batchRows))
    await keepInParts(run, session, probed.slice(run.batchRows))
  }
}

async function keepOnce(run: ImportRun, session: Session, probed: readonly Probed[]): Promise<void> {
  const [first] = probed
  if (first === undefined) return
  const { parts, operation } = run
  const server = await settledServer(run, first)
  const place = { server: server.record, pin: first.pin, except: '' }
  const neighbours = await neighboursOf(parts.registry, session, place)
  const admission = await admit(run, server.id, neighbours, probed)
  const { newcomers, there, refused } = admission
  const isolations = await isolationsOf(session, neighbours, newcomers)
  const exposed = await exposedBy(session, neighbours, newcomers)
  const aliases = newcomers.flatMap(({ probed: { row } }) => aliasesOf(row))
  const turn = newcomers.length === 0 ? { puts: [], expectations: [] } : turnOn(neighbours.servers)
  const tenants = newcomers.map(
    ({ entry: { id, record } }): Put => ({
      kind: 'tenant',
      id,
      record: { ...record, isolation: isolations.get(id) ?? null },
    }),
  )
  await parts.onStep?.({ tenant: operation.record.id, name: 'rows' })
  const puts = [...tenants, ...aliases, ...turn.puts, ...exposed.map(({ put }) => put)]
  const isNew = [...tenants, ...aliases].map(({ kind, id }): Expectation => ({ kind, id, revision: 0 }))
  await operation.keep(
    { progress: { done: run.done + newcomers.length + there.length, total: run.total } },
    'rows',
    {
      puts,
      expectations: [...isNew, ...turn.expectations, ...exposed.map(({ expectation }) => expectation)],
      detail: { server: server.id, tenants: newcomers.map(({ entry }) => entry.id).join(' ') },
    },
  )
  for (const row of there) run.note(row, 'there')
  for (const [row, refusal] of refused) run.refuse(row, refusal)
  for (const {
    probed: { row },
  } of newcomers) {
    run.note(row, 'imported', { findings: isolations.get(row.id)?.findings ?? [] })
  }
  for (const { put } of exposed) run.nowNotIsolated.add(put.id)
}

/** On record, and known to be the cluster that was seen. */
async function settledServer(
  { parts, actor }: ImportRun,
  { row, capacity, pin }: Probed,
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
  server: string,
  neighbours: Neighbours,
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
      const record = registeredTenant(parts, { ...row, generation, server }, { dsn: row.dsn, ...one }, null)
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

async function isolationsOf(
  session: Session,
  { tenants }: Neighbours,
  newcomers: readonly Newcomer[],
): Promise<ReadonlyMap<string, Isolation>> {
  if (newcomers.length === 0) return new Map()
  const entries = [...tenants, ...newcomers.map(({ entry }) => entry)]
  const databases = [
    ...tenants.map(({ record }) => record.route.database),
    ...newcomers.map(({ probed: { pin } }) => pin.databaseName),
  ]
  const roles = newcomers.map(({ probed: { role } }) => role)
  const powers = await powersOf(session, roles, databases)
  const isolations = newcomers.map(({ probed: { role, pin }, entry }): [string, Isolation] => {
    const others = entries.filter(({ id }) => id !== entry.id)
    const users = others.filter(({ record }) => record.route.role === role).map(({ id }) => id)
    const sharers = others.filter(({ record }) => livesIn(record, pin)).map(({ id }) => id)
    const found = powers.get(role)
    if (found !== undefined)
      return [entry.id, isolationOf(beyondOwn(found, pin.databaseName), users, sharers)]
    return [entry.id, { isolated: false, findings: [`role ${role} is not on the server`], checkedAt: now() }]
  })
  return new Map(isolations)
}

/** Neighbours that are isolated until these databases are tenants'. */
async function exposedBy(session: Session, { tenants }: Neighbours, newcomers: readonly Newcomer[]) {
  const isolated = tenants.filter(({ record }) => record.isolation?.isolated)
  const roles = isolated.map(({ record }) => record.route.role)
  const databases = newcomers.map(({ probed: { pin } }) => pin.databaseName)
  const doors = newcomers.length === 0 ? new Map<string, string>() : await doorsFor(session, roles, databases)
  return isolated.flatMap((neighbour) => {
    const reason = exposure(neighbour.record, newcomers, doors)
    if (reason === undefined) return []
    const { id, revision, record } = neighbour
    const put = { kind: 'tenant' as const, id, record: notIsolatedAnyMore(record, reason) }
    return [{ put, expectation: { kind: 'tenant' as const, id, revision } }]
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

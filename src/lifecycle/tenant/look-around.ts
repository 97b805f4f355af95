import type { ParsedDsn } from '../../connection/dsn.ts'
import { AlreadyExistsError, PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { Pin } from '../../router/identity.ts'
import type { Isolation } from '../../tenant/tenant-record.ts'
import { type LifecycleParts, now } from '../parts.ts'
import { budgetWithin, type Capacity } from '../server/capacity.ts'
import { addressOfDsn, nameForServer, serverOfDsn } from '../server/server-of-dsn.ts'
import { allServers } from '../server/server-view.ts'
import type { Session } from '../session.ts'
import { checkIsolation, rolesLetIn } from './isolation.ts'
import { type Neighbours, neighboursBothWays } from './neighbours.ts'

/** The tenant's own role in its database, and what it saw of both. */
export interface Login {
  readonly session: Session
  readonly dsn: ParsedDsn
  readonly capacity: Capacity
  readonly pin: Pin
}

/** What the registry and the database say of each other, as of the revisions in it. */
export interface Surroundings {
  /** Of revision 0 where it is not on record yet. */
  readonly server: Entry<'server'>
  readonly neighbours: Neighbours
  readonly isolation: Isolation
  /** Neighbours that are isolated until this database is a tenant's. */
  readonly exposed: readonly Entry<'tenant'>[]
}

interface Wanted {
  readonly id: string
  readonly server?: string | undefined
  readonly shared: boolean
}

/**
 * @throws {PreconditionFailedError} where another tenant lives there and that is not wanted, or the server is
 * on record by another name.
 * @throws {AlreadyExistsError} where the name wanted is another server's.
 */
export async function lookAround(parts: LifecycleParts, login: Login, wanted: Wanted): Promise<Surroundings> {
  const { session, pin } = login
  const server = await serverFor(parts, wanted.server, login)
  const place = { server: server.record, pin, except: wanted.id }
  const neighbours = await neighboursBothWays(parts.registry, session, place)
  const [there] = neighbours.sharers
  if (there !== undefined && !wanted.shared) {
    throw new PreconditionFailedError(
      there.record.status === 'deleted'
        ? `Tenant ${there.id}, which was deleted and may be undeleted, lives in that database. Purge it, or share (--shared).`
        : `Tenant ${there.id} lives in that database. Two tenants in one database need shared (--shared).`,
    )
  }
  const isolation = await checkIsolation(session, neighbours)
  const letIn = await rolesLetIn(session, neighbours.tenants)
  const sharers = new Set(neighbours.sharers.map(({ id }) => id))
  const exposed = neighbours.tenants.filter(
    ({ id, record }) => record.isolation?.isolated && (sharers.has(id) || letIn.has(record.route.role)),
  )
  return { server, neighbours, isolation, exposed }
}

/** The server on record, or a record for it, of revision 0 as it is not kept yet. */
export async function serverFor(
  { registry, sealer }: LifecycleParts,
  name: string | undefined,
  { dsn, capacity }: Pick<Login, 'dsn' | 'capacity'>,
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

import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { isSameCluster, type ServerRecord } from '../../registry/server-record.ts'
import type { Vicinity } from '../../registry/vicinity.ts'
import type { Pin } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { clusterSeen, serversOf } from '../server/cluster.ts'
import type { Session } from '../session.ts'
import { type Doors, readDoors } from './doors.ts'

/** Who else is on the cluster of a session, under whatever name its server is on record. */
export interface Neighbours {
  /** Every server on record that is this cluster. */
  readonly servers: readonly Entry<'server'>[]
  /** Other tenants of it: those that were asked for. Deleted ones too, as they may be had back. */
  readonly tenants: readonly Entry<'tenant'>[]
  /** Those of them that live in the very database of the session. */
  readonly sharers: readonly Entry<'tenant'>[]
}

interface Place {
  /** That the session was opened to. */
  readonly server: ServerRecord
  /** Read over the session. */
  readonly pin: Pin
  /** A tenant that is nobody's neighbour: the one whose neighbours are looked for. */
  readonly except: string
}

/** Roles, as the server calls them, and the databases that they are logins of. */
export interface Logins {
  readonly roles: readonly string[]
  readonly pins: readonly Pin[]
}

/** Whose database the role of the session may enter, and who has the same role or database. */
export function neighboursOf(registry: Registry, session: Session, place: Place): Promise<Neighbours> {
  return look(registry, session, place, { pins: [place.pin], inward: false })
}

/** As `neighboursOf`, and whose own role may enter the database. @param logins default: the session's own */
export function neighboursBothWays(
  registry: Registry,
  session: Session,
  place: Place,
  logins?: Logins,
): Promise<Neighbours> {
  return look(registry, session, place, { ...(logins ?? { pins: [place.pin] }), inward: true })
}

/** Everybody, for what concerns a cluster as a whole. */
export function allNeighboursOf(registry: Registry, session: Session, place: Place): Promise<Neighbours> {
  return look(registry, session, place, undefined)
}

type Wanted = Pick<Logins, 'pins'> & { readonly roles?: readonly string[]; readonly inward: boolean }

async function look(
  registry: Registry,
  session: Session,
  { server, pin, except }: Place,
  wanted: Wanted | undefined,
): Promise<Neighbours> {
  const seen = clusterSeen(pin, server.cluster)
  // Before all else: whoever puts a tenant on record after this, or another role or database of one, changes the revision of
  // a server read here. So what becomes a tenant's after the catalogs were read is not missed by who commits on these.
  const servers = await serversOf(registry, server, seen)
  const names = new Set([server.id, ...servers.map(({ id }) => id)])
  const { pins = [], roles, inward = false } = wanted ?? {}
  const databases = pins.map(({ databaseName }) => databaseName)
  const doors = await readDoors(session, { roles, databases, inward })
  const provisioned = new Set(doors.provisioned)
  const isNeighbour = ({ route, identity, origin }: TenantRecord) =>
    names.has(route.server) ||
    (identity?.kind === 'pin' && isSameCluster(identity, seen)) ||
    // Made at random: no other cluster has a database of that name.
    (origin === 'provisioned' && provisioned.has(route.database))
  const near: Vicinity = {
    servers: [...names],
    // A pin without an identifier may be one with pins that the server on record is not one with.
    clusters: [
      seen,
      ...[pin, ...pins].filter(({ systemIdentifier }) => systemIdentifier === null).slice(0, 1),
    ],
    ...(wanted === undefined ? { provisioned: doors.provisioned } : narrowed(doors, pins)),
  }
  const tenants: Entry<'tenant'>[] = []
  for await (const entry of everyEntry(registry, 'tenant', { near })) {
    if (entry.id !== except && isNeighbour(entry.record)) tenants.push(entry)
  }
  const sharers = tenants.filter(({ record }) => livesIn(record, pin))
  return { servers, tenants, sharers }
}

/** To those who have one of the roles, or a database that they lead into. */
function narrowed({ databases, roles, provisioned }: Doors, pins: readonly Pin[]) {
  // A role of ours is named after its database.
  const homes = new Set([...databases, ...roles.map((role) => role.slice(0, 't_'.length + 26))])
  const databaseOids = pins.map(({ databaseOid }) => databaseOid)
  return {
    provisioned: provisioned.filter((name) => homes.has(name)),
    having: { databases, roles, databaseOids },
  }
}

/** Of a tenant of the same cluster: whether its database is the one of this pin, renamed or not. */
export function livesIn({ route, identity }: TenantRecord, pin: Pin): boolean {
  if (route.database === pin.databaseName) return true
  return identity?.kind === 'pin' && isSameCluster(identity, pin) && identity.databaseOid === pin.databaseOid
}

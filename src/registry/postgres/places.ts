import type { ServerLike } from '../registry.ts'
import type { Cluster } from '../server-record.ts'
import type { Vicinity } from '../vicinity.ts'

/** As the indexes of registry/postgres/ have them. */
export const SERVER = `(record -> 'route' ->> 'server') collate "C"`
export const DATABASE = `(record -> 'route' ->> 'database') collate "C"`
export const ROLE = `(record -> 'route' ->> 'role') collate "C"`
const IDENTIFIER = `(record -> 'identity' ->> 'systemIdentifier') collate "C"`
const ADDRESS = `(record -> 'identity' ->> 'serverAddress') collate "C"`
const OID = `(record -> 'identity' ->> 'databaseOid') collate "C"`

const FEW = 20

/** Takes a value, and gives the parameter that stands for it. */
type Add = (value: readonly string[]) => string

/** Conditions of which a tenant of the vicinity meets at least one; each has an index. */
export function placesIn({ servers, clusters, provisioned, having }: Vicinity, add: Add): string[] {
  const there = oneOf(SERVER, add(servers))
  const made = provisionedIn(provisioned, add)
  const pinned = pinnedTo(clusters, add)
  if (having === undefined) return [there, ...made, ...pinned]
  const [databases, roles] = [add(having.databases), add(having.roles)]
  const held = [isAmong(DATABASE, databases), isAmong(ROLE, roles)]
  const its = pinned.length > 0 ? [...held, isAmong(OID, add(having.databaseOids.map(String)))] : held
  return [
    `${there} and ${oneOfMany(DATABASE, databases)}`,
    `${there} and ${oneOfMany(ROLE, roles)}`,
    ...made.map((place) => `${place} and (${held.join(' or ')})`),
    ...pinned.map((place) => `${place} and (${its.join(' or ')})`),
  ]
}

function provisionedIn(databases: readonly string[], add: Add): string[] {
  if (databases.length === 0) return []
  const isIn = (databases.length <= FEW ? oneOf : oneOfMany)(DATABASE, add(databases))
  return [`${isIn} and record ->> 'origin' = 'provisioned'`]
}

/** As `isSameCluster` has it: the address decides where one of the two has no identifier. */
function pinnedTo(clusters: readonly Cluster[], add: Add): string[] {
  const identifiers = clusters.flatMap(({ systemIdentifier }) => systemIdentifier ?? [])
  const addressesOf = (some: readonly Cluster[]) => some.flatMap(({ serverAddress }) => serverAddress ?? [])
  const identified = addressesOf(clusters.filter(({ systemIdentifier }) => systemIdentifier !== null))
  const unidentified = addressesOf(clusters.filter(({ systemIdentifier }) => systemIdentifier === null))
  return [
    ...(identifiers.length > 0 ? [oneOf(IDENTIFIER, add(identifiers))] : []),
    ...(identified.length > 0 ? [`${oneOf(ADDRESS, add(identified))} and ${IDENTIFIER} is null`] : []),
    ...(unidentified.length > 0 ? [oneOf(ADDRESS, add(unidentified))] : []),
  ]
}

/** Of servers. There are hundreds at most: an index would not help, but most need not be sent. */
export function isLike({ id, cluster, primary }: ServerLike, add: (value: string | null) => string): string {
  const identifier = `record -> 'cluster' ->> 'systemIdentifier'`
  const [seen, address] = [add(cluster.systemIdentifier), add(cluster.serverAddress)]
  const isSeen = `case when ${identifier} is not null and ${seen}::text is not null then ${identifier} = ${seen}::text
    else record -> 'cluster' ->> 'serverAddress' = ${address}::text end`
  const first = `select lower(e ->> 'host') || ' ' || (e ->> 'port')
    from jsonb_array_elements(record -> 'endpoints') with ordinality as x (e, n)
    where e ->> 'role' = 'primary' order by n limit 1`
  return `(id = ${add(id)} or ${isSeen} or coalesce((${first}), ' 0') = ${add(primary)})`
}

/** Of few, each of which the planner looks up: how common it is decides which index is worth its while. */
function oneOf(what: string, few: string): string {
  return `${what} = any (${few}::text[])`
}

/** By an index, and of thousands that may be: unseen by the planner, whose look at each takes longer than to find them. */
function oneOfMany(what: string, many: string): string {
  return `${what} = any (array(select unnest(${many}::text[])))`
}

/** Of those that an index has found: by a hash of the names, and by no index again. */
function isAmong(what: string, many: string): string {
  return `${what} in (select unnest(${many}::text[]))`
}

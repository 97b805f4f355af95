import type { Vicinity } from '../vicinity.ts'

/** As the indexes of registry/postgres/ have them. */
export const SERVER = `(record -> 'route' ->> 'server') collate "C"`
export const DATABASE = `(record -> 'route' ->> 'database') collate "C"`
export const ROLE = `(record -> 'route' ->> 'role') collate "C"`
const IDENTIFIER = `(record -> 'identity' ->> 'systemIdentifier') collate "C"`
const ADDRESS = `(record -> 'identity' ->> 'serverAddress') collate "C"`
const OID = `(record -> 'identity' ->> 'databaseOid') collate "C"`

/**
 * Conditions of which a tenant of the vicinity meets at least one.
 * @param add takes a value, and gives the parameter that stands for it.
 */
export function placesIn(
  { servers, clusters, provisioned, having }: Vicinity,
  add: (value: readonly string[]) => string,
): string[] {
  const oneOf = (what: string, names: readonly string[]) =>
    names.length === 0 ? 'false' : `${what} = any (${add(names)}::text[])`
  const isHeld = having && `${oneOf(DATABASE, having.databases)} or ${oneOf(ROLE, having.roles)}`
  const oids = having?.databaseOids.map(String)
  const narrowed = (place: string) => (isHeld === undefined ? place : `${place} and (${isHeld})`)
  const pinned = (place: string) =>
    isHeld === undefined ? place : `${place} and (${isHeld} or ${oneOf(OID, oids ?? [])})`

  const identifiers = clusters.flatMap(({ systemIdentifier }) => systemIdentifier ?? [])
  const addressesOf = (isIdentified: boolean) =>
    clusters
      .filter(({ systemIdentifier }) => (systemIdentifier !== null) === isIdentified)
      .flatMap(({ serverAddress }) => serverAddress ?? [])
  const [identified, unidentified] = [addressesOf(true), addressesOf(false)]
  const addresses = [...identified, ...unidentified]
  // As `isSameCluster` has it: the address decides where one of the two has no identifier.
  const byAddress = `${oneOf(ADDRESS, addresses)} and (${IDENTIFIER} is null or ${oneOf(ADDRESS, unidentified)})`
  return [
    narrowed(oneOf(SERVER, servers)),
    ...(identifiers.length > 0 ? [pinned(oneOf(IDENTIFIER, identifiers))] : []),
    ...(addresses.length > 0 ? [pinned(byAddress)] : []),
    ...(provisioned.length > 0
      ? [narrowed(`${oneOf(DATABASE, provisioned)} and record ->> 'origin' = 'provisioned'`)]
      : []),
  ]
}

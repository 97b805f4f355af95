import type { Entry } from '../../../registry/registry.ts'
import { readStamp } from '../../../router/identity.ts'
import { sideBySide } from '../../../side-by-side.ts'
import { isNamedByUs } from '../../delete/own-roles.ts'
import { quoteName } from '../../sql-name.ts'
import { slotsOf } from '../../tenant/login-slots.ts'
import type { DatabaseSeen } from '../catalog.ts'
import { type Found, some } from '../finding.ts'
import { readFleet } from '../fleet.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

/** The name of a database of ours, at the beginning of that of a role. */
const STEM_LENGTH = 28
/** Databases looked into at once. */
const AT_ONCE = 2

/** What is on record and not on the server, and what is on the server and not on record. */
export const drift: ServerCheck = {
  name: 'drift',
  async run(look): Promise<Found[]> {
    return [
      ...look.tenants.flatMap((entry) => missing(look, entry)),
      ...spares(look),
      ...(await orphans(look)),
    ]
  },
}

/** One that is being made, or failed to be, has nothing yet that could be missing. */
function missing({ catalog, server }: ServerLook, { id, record }: Entry<'tenant'>): Found[] {
  const { status, route, origin, operation } = record
  if (operation !== null || !(status === 'active' || status === 'suspended' || status === 'deleted'))
    return []
  const subject = `tenant ${id}`
  const database = catalog.databases.get(route.database)
  const roles = (origin === 'provisioned' ? slotsOf(route) : [route.role]).filter(
    (role) => !catalog.roles.has(role),
  )
  const found: Found[] = []
  if (database === undefined)
    found.push({
      severity: 'error',
      subject,
      what: `It is ${status}, and its database ${route.database} is not on server ${server.id}.`,
      consequence:
        status === 'active'
          ? 'Its requests are answered with 502 login_failed.'
          : 'It cannot be brought back.',
      fix: `Bring the database back from a backup, then: tenantry server accept ${server.id}`,
    })
  else if (!database.isOpen && status === 'active')
    found.push({
      severity: 'error',
      subject,
      what: `Its database ${route.database} accepts no connections.`,
      consequence: 'Whatever needs a new connection is answered with 502 login_failed.',
      fix: `ALTER DATABASE ${quoteName(route.database)} ALLOW_CONNECTIONS true`,
    })
  if (roles.length > 0)
    found.push({
      severity: 'error',
      subject,
      what: `Of its roles, ${roles.join(', ')} ${roles.length === 1 ? 'is' : 'are'} not on server ${server.id}.`,
      consequence: roles.includes(route.role) ? 'It cannot log in.' : 'Its next rotation fails.',
      fix: roles.map((role) => `CREATE ROLE ${quoteName(role)} NOLOGIN`).join('; '),
    })
  return found
}

/** Spares and templates that are on record. */
function spares({ catalog, server }: ServerLook): Found[] {
  const names = [
    ...(server.spares?.ready ?? []),
    ...(server.templates ?? []).filter(({ operation }) => operation === null),
  ]
    .map(({ database }) => database)
    .filter((name) => !catalog.databases.has(name))
  if (names.length === 0) return []
  return [
    {
      severity: 'error',
      subject: `server ${server.id}`,
      what: `Spares or templates on record are not on the server: ${some(names)}.`,
      consequence: 'A tenant that is to be made of one fails.',
      fix: null,
    },
  ]
}

/** What killed provisioning, and restored or half-dropped databases leave. Only of our admin's: others are not ours to judge. */
async function orphans(look: ServerLook): Promise<Found[]> {
  const { admin, catalog, fleet } = look
  if (admin === undefined) return []
  const unnamed = [...catalog.databases.values()].filter(
    ({ name, isOurs }) => isOurs && !fleet.databases.has(name),
  )
  const seen = await sideBySide(unnamed, AT_ONCE, (database) => lookInto(look, database))
  const suspects = seen.filter((one) => isNamedByUs(one.name) || one.stampOf !== null)
  const roles = [...catalog.roles.values()].filter(
    ({ name, isOurs }) => isOurs && isOrphan(name, fleet.databases),
  )
  if (suspects.length === 0 && roles.length === 0) return []
  // One that was begun since is on record by now: that comes before anything on the server.
  const { databases: named } = await readFleet(look.parts.registry, look.server.id)
  const databases = suspects.filter(({ name }) => !named.has(name))
  const told = new Set([...named, ...databases.map(({ name }) => name)])
  const left = roles.map(({ name }) => name).filter((name) => isOrphan(name, told))
  return [
    ...databases.map((one) => orphanDatabase(look, one)),
    ...(left.length === 0 ? [] : [orphanRoles(look, left)]),
  ]
}

/** A role named after a database of ours that is none of these. */
function isOrphan(role: string, databases: ReadonlySet<string>): boolean {
  const stem = role.slice(0, STEM_LENGTH)
  return isNamedByUs(stem) && !databases.has(stem)
}

interface Unnamed {
  readonly name: string
  readonly owner: string
  /** The tenant of its stamp; null where there is none to be read. */
  readonly stampOf: string | null
}

async function lookInto(
  { admin, signal }: ServerLook,
  { name, owner, isOpen }: DatabaseSeen,
): Promise<Unnamed> {
  if (!isOpen || admin === undefined || signal.aborted) return { name, owner, stampOf: null }
  try {
    const stamp = await admin.inside(name, owner, (session) => readStamp(session.connection))
    return { name, owner, stampOf: typeof stamp === 'string' ? null : stamp.tenant }
  } catch {
    return { name, owner, stampOf: null } // the admin may not go in there: what it is, its name alone can tell
  }
}

function orphanDatabase({ server, catalog }: ServerLook, { name, stampOf }: Unnamed): Found {
  const roles = isNamedByUs(name)
    ? [...catalog.roles.keys()].filter((role) => role.startsWith(`${name}_`))
    : []
  const whose =
    stampOf === null ? 'no stamp in it can be read' : `its stamp is of tenant ${JSON.stringify(stampOf)}`
  return {
    severity: 'warning',
    subject: `server ${server.id}`,
    what: `Database ${name} is named by nothing on record; ${whose}.`,
    consequence: 'It takes its place on the server, and rows in it belong to somebody or are to be gone.',
    fix: `If nobody needs it: DROP DATABASE ${quoteName(name)}; ${roles.map((role) => `DROP ROLE ${quoteName(role)}`).join('; ')}`,
  }
}

function orphanRoles({ server, catalog }: ServerLook, names: readonly string[]): Found {
  const open = names.filter((name) => catalog.roles.get(name)?.canLogin)
  return {
    severity: 'warning',
    subject: `server ${server.id}`,
    what: `Roles of no database on record: ${some(names)}.`,
    consequence: open.length === 0 ? 'None of them may log in.' : `Of these, ${some(open)} may log in.`,
    fix: `If nobody needs them: ${names
      .slice(0, 10)
      .map((name) => `DROP ROLE ${quoteName(name)}`)
      .join('; ')}`,
  }
}

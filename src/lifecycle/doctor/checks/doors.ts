import type { Entry } from '../../../registry/registry.ts'
import { isNamedByUs } from '../../delete/own-roles.ts'
import { quoteName } from '../../sql-name.ts'
import { slotsOf } from '../../tenant/login-slots.ts'
import { type DatabaseSeen, PUBLIC } from '../catalog.ts'
import { type Found, some } from '../finding.ts'
import { changeRole } from '../repairs.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

/** Every cluster has them, and they belong to its superuser. */
const OF_THE_CLUSTER: ReadonlySet<string> = new Set(['postgres', 'template1'])
const RIGHTS = ['CONNECT', 'CREATE', 'TEMPORARY'] as const

/** Which databases let in whom, read from the catalogs and not from what was once granted. */
export const doors: ServerCheck = {
  name: 'doors',
  run(look): Found[] {
    const provisioned = look.tenants.filter(({ record }) => record.origin === 'provisioned')
    const registered = look.tenants.filter(({ record }) => record.origin === 'registered')
    return [
      ...provisioned.flatMap((entry) => ofProvisioned(look, entry)),
      ...registered.flatMap((entry) => ofRegistered(look, entry)),
      ...ofOthers(look),
    ]
  },
}

function isOpenToAll({ isOpen, grants }: DatabaseSeen): boolean {
  return isOpen && grants.get('CONNECT')?.has(PUBLIC) === true
}

function ofProvisioned(look: ServerLook, entry: Entry<'tenant'>): Found[] {
  const { catalog } = look
  const { route } = entry.record
  const database = catalog.databases.get(route.database)
  // One that is being made, or is gone but for its purge, is shut to all.
  if (database === undefined || !database.isOpen) return []
  const name = quoteName(database.name)
  const subject = `tenant ${entry.id}`
  const found: Found[] = []
  const open = RIGHTS.filter((right) => database.grants.get(right)?.has(PUBLIC))
  if (open.length > 0)
    found.push({
      severity: 'error',
      subject,
      what: `Its database ${database.name} grants ${open.join(', ')} to PUBLIC.`,
      consequence: 'Every role of the server gets in, those of other tenants too.',
      ...closing(look, entry, database),
    })
  const strangers = strangersIn(look, entry, database)
  if (strangers.length > 0)
    found.push({
      // The former login of one that was adopted stays until that is confirmed.
      severity:
        isNamedByUs(database.name) || strangers.some((role) => isAnothers(look, role)) ? 'error' : 'info',
      subject,
      what: `Its database ${database.name} lets in ${some(strangers)}, which nothing on record asks for.`,
      consequence: 'Who has that role gets in beside the tenant.',
      fix: strangers.map((role) => `REVOKE ALL ON DATABASE ${name} FROM ${quoteName(role)}`).join('; '),
    })
  const isShut = entry.record.status === 'active' && !database.grants.get('CONNECT')?.has(route.role)
  if (isShut && open.length === 0)
    found.push({
      severity: 'error',
      subject,
      what: `Its database ${database.name} does not let its role ${route.role} in.`,
      consequence: 'Whatever needs a new connection is answered with 502 login_failed.',
      fix: `GRANT CONNECT ON DATABASE ${name} TO ${quoteName(route.role)}`,
    })
  return found
}

/** All but its owner, roles that are named after its own, those on record, and the admin. */
function strangersIn(
  { server }: ServerLook,
  { record: { route } }: Entry<'tenant'>,
  database: DatabaseSeen,
): string[] {
  const stem = route.role.slice(0, -1)
  const known = new Set([PUBLIC, database.owner, ...slotsOf(route), route.readOnly?.role, server.admin?.role])
  const roles = new Set(RIGHTS.flatMap((right) => [...(database.grants.get(right) ?? [])]))
  return [...roles].filter((role) => !known.has(role) && !(route.slot !== null && role.startsWith(stem)))
}

function isAnothers({ tenants }: ServerLook, role: string): boolean {
  return tenants.some(({ record }) => slotsOf(record.route).includes(role))
}

function closing(
  look: ServerLook,
  entry: Entry<'tenant'>,
  { name, owner, isOurs }: DatabaseSeen,
): Pick<Found, 'fix' | 'repair'> {
  const statement = `REVOKE ALL ON DATABASE ${quoteName(name)} FROM PUBLIC`
  const repair =
    look.admin && isOurs
      ? changeRole(look.server, entry, { role: owner, detail: { revoked: 'PUBLIC' } }, (session) =>
          session.asRole(owner, () => session.execute(statement)),
        )
      : undefined
  return { fix: statement, repair }
}

function ofRegistered({ catalog }: ServerLook, { id, record }: Entry<'tenant'>): Found[] {
  const database = catalog.databases.get(record.route.database)
  if (database === undefined || !isOpenToAll(database)) return []
  const [name, role] = [quoteName(database.name), quoteName(record.route.role)]
  return [
    {
      severity: 'warning',
      subject: `tenant ${id}`,
      what: `Its database ${database.name} lets every role of the server connect (PUBLIC).`,
      consequence:
        'No other tenant of the server is isolated: SQL of their own keys is refused, or reaches here.',
      fix: `GRANT CONNECT ON DATABASE ${name} TO ${role}; REVOKE CONNECT, TEMPORARY ON DATABASE ${name} FROM PUBLIC; as ${database.owner}`,
    },
  ]
}

/** Databases that are no tenant's. They hold no rows of tenants, and are a place to meet and to fill the disk from. */
function ofOthers({ catalog, tenants, server, fleet }: ServerLook): Found[] {
  const own = new Set(tenants.map(({ record }) => record.route.database))
  const open = [...catalog.databases.values()].filter(
    (database) => isOpenToAll(database) && !own.has(database.name) && !fleet.databases.has(database.name),
  )
  const admin = server.admin?.role
  // The admin itself comes in by that door.
  const grant = (name: string) =>
    admin === undefined ? '' : `GRANT CONNECT ON DATABASE ${name} TO ${quoteName(admin)}; `
  const close = ({ name, owner }: DatabaseSeen) =>
    `${grant(quoteName(name))}REVOKE CONNECT, TEMPORARY ON DATABASE ${quoteName(name)} FROM PUBLIC; as ${owner}`
  const ofCluster = open.filter(({ name }) => OF_THE_CLUSTER.has(name))
  const others = open.filter(({ name }) => !OF_THE_CLUSTER.has(name))
  const subject = `server ${server.id}`
  return [
    ...ofCluster.map(
      (database): Found => ({
        severity: 'warning',
        subject,
        what: `Database ${database.name} lets every role of the server connect (PUBLIC), and belongs to ${database.owner}: it is not ours to close.`,
        consequence:
          'Roles of tenants meet there: they see names of roles and databases, and can make temporary tables.',
        fix: close(database),
      }),
    ),
    ...(others.length === 0
      ? []
      : [
          {
            severity: 'warning' as const,
            subject,
            what: `Databases that are no tenant's let every role of the server connect (PUBLIC): ${some(others.map(({ name }) => name))}.`,
            consequence: 'Roles of tenants get in and see what PUBLIC may see there.',
            fix: others.slice(0, 5).map(close).join('; '),
          },
        ]),
  ]
}

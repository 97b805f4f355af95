import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { Names } from '../provision/names.ts'
import { quoteName } from '../sql-name.ts'
import type { Inside, Membership } from './look-inside.ts'
import type { Right } from './rights.ts'

/** What would be done, in words, before anything is. */
export interface AdoptionPlan {
  readonly tenant: string
  readonly server: string
  readonly database: string
  readonly found: Finding
  /** In order; nothing else is done. */
  readonly steps: readonly PlannedStep[]
  /** Logins that come in today because everybody may. */
  readonly loseAccess: readonly string[]
  /** While there is one, nothing is done at all. */
  readonly obstacles: readonly Obstacle[]
}

export interface Finding {
  readonly postgres: number
  readonly databaseOwner: string
  readonly publicMay: { readonly database: readonly string[]; readonly schemaPublic: readonly string[] }
  readonly role: {
    readonly name: string
    readonly attributes: readonly string[]
    readonly memberOf: readonly string[]
    readonly ownsDatabases: readonly string[]
    /** Null where the admin may not look. */
    readonly verifier: string | null
  }
  /** Login roles that are no superusers. */
  readonly mayConnect: readonly string[]
  readonly otherTenants: { readonly inDatabase: readonly string[]; readonly onRole: readonly string[] }
  readonly extensions: readonly string[]
  readonly objects: Inside['objects']
}

export interface PlannedStep {
  readonly name: string
  readonly does: string
  readonly consequence: string
}

export interface Obstacle {
  readonly what: string
  readonly remedy: string
}

/** What a plan is made from. */
export interface Surveyed {
  readonly tenant: TenantRecord
  readonly names: Names
  readonly inside: Inside
  readonly admin: string
  readonly memberships: readonly Membership[]
  readonly verifier: string | null
  /** Of each new login. */
  readonly connectionLimit: number
  readonly sharers: readonly string[]
  readonly users: readonly string[]
}

export function planOf(surveyed: Surveyed): AdoptionPlan {
  const { tenant, inside } = surveyed
  const publicMay = (list: Inside['access'] | undefined) =>
    (list?.grants ?? []).filter(({ grantee }) => grantee === null).map(({ privilege }) => privilege)
  const { isSuperuser: _, ...role } = inside.role
  return {
    tenant: tenant.id,
    server: tenant.route.server,
    database: inside.database,
    found: {
      postgres: inside.postgres,
      databaseOwner: inside.access.owner,
      publicMay: { database: publicMay(inside.access), schemaPublic: publicMay(inside.publicSchema) },
      role: { ...role, verifier: surveyed.verifier },
      mayConnect: inside.mayConnect,
      otherTenants: { inDatabase: surveyed.sharers, onRole: surveyed.users },
      extensions: inside.extensions,
      objects: inside.objects,
    },
    steps: stepsOf(surveyed),
    loseAccess: lockedOut(surveyed),
    obstacles: obstaclesOf(surveyed),
  }
}

/** Who loses access: roles that come in because everybody may, but for those that get the right by name. */
function lockedOut({ inside, admin, tenant }: Surveyed): string[] {
  const kept = new Set([admin, tenant.route.role, tenant.route.readOnly?.role])
  return inside.throughPublic.filter((role) => !kept.has(role))
}

function stepsOf(surveyed: Surveyed): PlannedStep[] {
  const { names, inside, tenant } = surveyed
  const database = quoteName(inside.database)
  const { owner } = inside.access
  const { role } = tenant.route
  const guests = [role, surveyed.admin].filter((name) => name !== owner).join(', ')
  const both = `${names.slots.a}, ${names.slots.b}`
  const open = inside.access.grants
    .filter(({ grantee }) => grantee === null)
    .map(({ privilege }) => privilege)
  const rights = open.includes('TEMPORARY') ? 'CONNECT and TEMPORARY' : 'CONNECT'
  return [
    {
      name: 'roles',
      does: `CREATE ROLE ${[names.owner, both, names.migrator].filter(Boolean).join(', ')}, the logins with a CONNECTION LIMIT of ${surveyed.connectionLimit}`,
      consequence: `The application logs in as ${names.slots.a}, with a password of ours; the others log in to rotate and to migrate, ${names.owner} never.`,
    },
    ...settingsStep(surveyed, both),
    {
      name: 'owner',
      does: `ALTER DATABASE ${database} OWNER TO ${names.owner}; CONNECT, CREATE and TEMPORARY on it for ${owner}, ${rights} for ${guests} and the new logins`,
      consequence: `Role ${owner} goes on making and using what it does in there, and can no longer drop or rename the database, change its settings or let others in.`,
    },
    rightsStep(surveyed, both),
    {
      name: 'stamp',
      does: 'CREATE SCHEMA tenantry, with one row that says whose database this is',
      consequence: 'Every new connection of the router checks it; a copy of the database is told from it.',
    },
    {
      name: 'close',
      does:
        open.length > 0
          ? `REVOKE ${open.join(', ')} ON DATABASE ${database} FROM PUBLIC`
          : 'nothing: PUBLIC has no right',
      consequence: losing(lockedOut(surveyed)),
    },
    {
      name: 'record',
      does: `the route of tenant ${tenant.id} leads to ${names.slots.a}, its epoch is ${tenant.epoch + 1}`,
      consequence: `Requests under way end as role ${role}, new ones begin as ${names.slots.a}; role ${role} and its password stay as they are.`,
    },
  ]
}

function settingsStep({ inside, tenant }: Surveyed, both: string): PlannedStep[] {
  const { role } = tenant.route
  const given = inside.settings.filter(({ isSuperusers }) => !isSuperusers).map(({ name }) => name)
  const left = inside.settings.filter(({ isSuperusers }) => isSuperusers).map(({ name }) => name)
  if (inside.settings.length === 0) return []
  const without = left.length > 0 ? ` Without ${left.join(', ')}: only a superuser sets that.` : ''
  return [
    {
      name: 'settings',
      does: `${given.join(', ') || 'no setting'} of role ${role} for ${both}`,
      consequence: `A statement means what it meant.${without}`,
    },
  ]
}

function rightsStep({ inside, tenant }: Surveyed, both: string): PlannedStep {
  const { role } = tenant.route
  const makers = [...new Set([...inside.creators, ...inside.defaults.map(({ creator }) => creator)])]
  const later = makers.length > 0 ? `, and on what ${makers.join(', ')} make later` : ''
  const beyond = [...inside.role.attributes, ...inside.role.memberOf.map((name) => `membership in ${name}`)]
  const without = beyond.length > 0 ? ` What else comes with ${beyond.join(', ')} it does not have.` : ''
  return {
    name: 'rights',
    does: `GRANT ${counted(role, inside.rights)}${later} TO ${both}`,
    consequence: `The application reads, writes and makes what it did as ${role}; what only an owner may do (ALTER, DROP, policies) stays with the owners of today, for migrations.${without}`,
  }
}

function counted(role: string, rights: readonly Right[]): string {
  const kinds = new Map<string, Set<string>>()
  for (const { kind, objects } of rights) {
    const all = kinds.get(kind) ?? new Set()
    for (const object of objects) all.add(object)
    kinds.set(kind, all)
  }
  const parts = [...kinds].map(([kind, { size }]) => `${size} ${kind}${size === 1 ? '' : 's'}`)
  return parts.length === 0 ? 'nothing that PUBLIC may not' : `what ${role} may on ${parts.join(', ')}`
}

function losing(roles: readonly string[]): string {
  if (roles.length === 0) return 'No login loses access.'
  const names =
    roles.length <= 10 ? roles.join(', ') : `${roles.slice(0, 10).join(', ')} and ${roles.length - 10} more`
  return roles.length === 1
    ? `1 login loses access: ${names}.`
    : `${roles.length} logins lose access: ${names}.`
}

function obstaclesOf(surveyed: Surveyed): Obstacle[] {
  const { inside, tenant, sharers, users } = surveyed
  const { oddities, role, settings } = inside
  const actsAs = settings.find(({ name }) => name === 'role')?.value
  const found: (Obstacle | false)[] = [
    ...surveyed.memberships.filter(({ may }) => !may).map((one) => lackingMembership(one, surveyed)),
    sharers.length > 0 && {
      what: `The database is that of ${sharers.join(', ')} too.`,
      remedy: 'Give each tenant a database of its own, and register it anew.',
    },
    users.length > 0 && {
      what: `Role ${role.name} is that of ${users.join(', ')} too: whoever has its password stays in each of their databases.`,
      remedy: `Give tenant ${tenant.id} a role of its own: CREATE ROLE … LOGIN, REASSIGN OWNED BY ${quoteName(role.name)} in its database, and register it anew.`,
    },
    role.isSuperuser && {
      what: `Role ${role.name} is a superuser: rights cannot stand for that.`,
      remedy: `ALTER ROLE ${quoteName(role.name)} NOSUPERUSER, or register the tenant with an ordinary role.`,
    },
    actsAs !== undefined && {
      what: `Role ${role.name} becomes role ${actsAs} as it logs in, which the new logins may not.`,
      remedy: `ALTER ROLE ${quoteName(role.name)} RESET role, and GRANT what it needs.`,
    },
    oddities.rowSecurity.length > 0 && {
      what: `Row security is on for ${oddities.rowSecurity.slice(0, 3).join(', ')}${oddities.rowSecurity.length > 3 ? ' and more' : ''}: its policies would show the new logins other rows.`,
      remedy: 'ALTER TABLE … DISABLE ROW LEVEL SECURITY: the database is one tenant’s.',
    },
    oddities.largeObjects > 0 && {
      what: `${oddities.largeObjects} large objects are in the database: rights on them are not carried over.`,
      remedy: 'Move them into a column of type bytea, or leave the tenant registered.',
    },
    oddities.userMappings > 0 && {
      what: `Role ${role.name} has ${oddities.userMappings} user mappings to foreign servers, with passwords that nobody may read.`,
      remedy: 'DROP USER MAPPING, or leave the tenant registered.',
    },
    oddities.hasTenantrySchema && {
      what: 'There is a schema tenantry in the database, which is not of this adoption.',
      remedy: 'If the database is a copy of another tenant’s, DROP SCHEMA tenantry CASCADE.',
    },
  ]
  return found.filter((one) => one !== false)
}

function lackingMembership({ name, isSuperuser }: Membership, { admin, inside }: Surveyed): Obstacle {
  const isOwner = name === inside.access.owner
  const owns = isOwner ? `owns the database` : `owns or makes objects that role ${inside.role.name} uses`
  if (isSuperuser) {
    const what = `Superuser ${name} ${owns}, and nobody may be a member of that.`
    const object = isOwner ? `DATABASE ${quoteName(inside.database)}` : '…'
    return { what, remedy: `ALTER ${object} OWNER TO ${quoteName(inside.role.name)}` }
  }
  const options = inside.postgres >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''
  return {
    what: `Role ${name} ${owns}, and the admin ${admin} is not a member of it.`,
    remedy: `GRANT ${quoteName(name)} TO ${quoteName(admin)}${options}`,
  }
}

import type { Entry } from '../../../registry/registry.ts'
import { isSameCluster, type ServerRecord } from '../../../registry/server-record.ts'
import { RouterOptions } from '../../../router/options.ts'
import { connectionLimitFor } from '../../provision/role-settings.ts'
import { quoteName } from '../../sql-name.ts'
import type { Found } from '../finding.ts'
import { changeRole } from '../repairs.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

const DEFAULT_CONNECTIONS = RouterOptions.parse({}).maxConnectionsPerTenant

export const budgets: ServerCheck = {
  name: 'budgets',
  run(look): Found[] {
    // How many clients a pooler takes, the server behind it does not say.
    if (look.server.via !== 'direct') return []
    return [...ofServer(look), ...ofAdmin(look), ...look.tenants.flatMap((entry) => ofTenant(look, entry))]
  },
}

function ofServer({ fleet, server, facts }: ServerLook): Found[] {
  const { maxConnections, reserved } = facts
  const sharing = fleet.servers.map(({ record }) => record).filter((other) => isOneCluster(other, server))
  const wanted = sharing.reduce((sum, { budget }) => sum + budget.maxConnections + budget.headroom, 0)
  const usable = maxConnections - reserved
  if (wanted <= usable) return []
  const whose =
    sharing.length === 1
      ? 'budget and headroom'
      : `budgets and headrooms of ${sharing.map(({ id }) => id).join(', ')}`
  const room = usable - (wanted - server.budget.maxConnections)
  return [
    {
      severity: 'error',
      subject: `server ${server.id}`,
      what: `${whose} are ${wanted} connections; ordinary roles get ${usable} (max_connections ${maxConnections}, ${reserved} reserved).`,
      consequence:
        'Under load the server refuses connections before the budget is full, also those that end what hangs.',
      fix:
        room >= 1
          ? `tenantry server add ${server.id} --dsn-file FILE --max-connections ${room}`
          : `ALTER SYSTEM SET max_connections = ${wanted + reserved}; then restart the server`,
    },
  ]
}

function isOneCluster(other: ServerRecord, server: ServerRecord): boolean {
  if (other.id === server.id) return true
  if (other.via !== 'direct' || other.cluster === undefined || server.cluster === undefined) return false
  return isSameCluster(other.cluster, server.cluster)
}

function ofAdmin({ server, catalog }: ServerLook): Found[] {
  const role = server.admin && catalog.roles.get(server.admin.role)
  const { headroom } = server.budget
  if (!role || role.connectionLimit < 0 || role.connectionLimit >= headroom) return []
  return [
    {
      severity: 'error',
      subject: `server ${server.id}`,
      what: `Its admin ${role.name} has a CONNECTION LIMIT of ${role.connectionLimit}, less than the headroom of ${headroom}.`,
      consequence: 'Suspending, rotating and provisioning fail while others of its sessions are open.',
      fix: `ALTER ROLE ${quoteName(role.name)} CONNECTION LIMIT ${headroom}`,
    },
  ]
}

/** What the router may open must be less than what its role, and its database, let in. */
function ofTenant(look: ServerLook, entry: Entry<'tenant'>): Found[] {
  const { parts, server, catalog, admin } = look
  const { id, record } = entry
  if (record.status !== 'active') return []
  const role = catalog.roles.get(record.route.role)
  const database = catalog.databases.get(record.route.database)
  const perProcess = parts.maxConnectionsPerTenant ?? DEFAULT_CONNECTIONS
  const most = Math.min(record.limits.maxConnections ?? perProcess, server.budget.maxConnections)
  const wanted = connectionLimitFor(record.limits, server.budget, perProcess)
  const isOurs = record.origin === 'provisioned' && admin !== undefined && role?.isOurs === true
  const found: Found[] = []
  const subject = `tenant ${id}`
  if (role && isOurs && role.connectionLimit < 0) {
    found.push({
      severity: 'info',
      subject,
      what: `Its role ${role.name} has no CONNECTION LIMIT.`,
      consequence: 'Whoever has its password can take every connection of the server.',
      ...limitRole(look, entry, role.name, wanted),
    })
  } else if (role && role.connectionLimit >= 0 && role.connectionLimit < most) {
    found.push({
      severity: 'warning',
      subject,
      what: `Its role ${role.name} has a CONNECTION LIMIT of ${role.connectionLimit}; the router may open ${most} connections.`,
      consequence:
        'Under load its logins are refused by the server (53300), and its requests wait for nothing.',
      ...(isOurs
        ? limitRole(look, entry, role.name, wanted)
        : { fix: `ALTER ROLE ${quoteName(role.name)} CONNECTION LIMIT ${wanted}` }),
    })
  }
  if (database && database.connectionLimit >= 0 && database.connectionLimit < most) {
    found.push({
      severity: 'warning',
      subject,
      what: `Its database has a CONNECTION LIMIT of ${database.connectionLimit}; the router may open ${most} connections.`,
      consequence:
        'Under load its logins are refused by the server (53300), and its requests wait for nothing.',
      fix: `ALTER DATABASE ${quoteName(database.name)} CONNECTION LIMIT ${wanted}`,
    })
  }
  return found
}

function limitRole(
  look: ServerLook,
  entry: Entry<'tenant'>,
  role: string,
  limit: number,
): Pick<Found, 'fix' | 'repair'> {
  const statement = `ALTER ROLE ${quoteName(role)} CONNECTION LIMIT ${limit}`
  const repair = changeRole(look.server, entry, { role, detail: { connectionLimit: limit } }, (session) =>
    session.execute(statement),
  )
  return { fix: statement, repair }
}

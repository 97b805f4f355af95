import type { Entry } from '../../../registry/registry.ts'
import { quoteName } from '../../sql-name.ts'
import { slotsOf } from '../../tenant/login-slots.ts'
import { type Found, some } from '../finding.ts'
import { lockRole } from '../repairs.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

/** Who may log in, and ought not to; and the other way round. */
export const logins: ServerCheck = {
  name: 'logins',
  run: (look): Found[] => [
    ...look.tenants.flatMap((entry) =>
      entry.record.origin === 'provisioned' ? ofProvisioned(look, entry) : [],
    ),
    ...registeredSuspended(look),
  ],
}

function ofProvisioned(look: ServerLook, entry: Entry<'tenant'>): Found[] {
  const { catalog, server } = look
  const { status, route, operation } = entry.record
  const mayLogin = (role: string) => catalog.roles.get(role)?.canLogin === true
  const subject = `tenant ${entry.id}`
  const owner = catalog.databases.get(route.database)?.owner
  const found: Found[] = []
  if (owner?.startsWith(route.role.slice(0, -1)) && mayLogin(owner))
    found.push({
      severity: 'error',
      subject,
      what: `The owner of its database, ${owner}, may log in.`,
      consequence:
        'Nobody should: as the owner, the stamp can be forged, and whoever gets in may change all grants.',
      ...locking(look, entry, owner),
    })
  // A rotation under way needs both.
  if (operation !== null) return found
  if (status === 'active') {
    if (catalog.roles.has(route.role) && !mayLogin(route.role))
      found.push({
        severity: 'error',
        subject,
        what: `It is active, and its role ${route.role} may not log in.`,
        consequence: 'Whatever needs a new connection is answered with 502 login_failed.',
        fix: `tenantry server accept ${server.id} --dry-run, then without it`,
      })
    const spare = slotsOf(route).filter((role) => role !== route.role && mayLogin(role))
    for (const role of spare)
      found.push({
        severity: 'warning',
        subject,
        what: `Login slot ${role} is not in use, and may log in.`,
        consequence: 'A password that was rotated away still opens the database.',
        ...locking(look, entry, role),
      })
    const unlike = settingsApart(look, slotsOf(route))
    if (unlike.length > 0)
      found.push({
        severity: 'info',
        subject,
        what: `Its login slots are not set alike: ${unlike.join(', ')}.`,
        consequence: 'With the next rotation its sessions run under other settings.',
        fix: `ALTER DATABASE ${quoteName(route.database)} SET …, and ALTER ROLE … RESET for the slots`,
      })
  }
  if (status === 'suspended' || status === 'deleted' || status === 'deleting')
    for (const role of lockedRoles(look, entry).filter(mayLogin))
      found.push({
        severity: 'error',
        subject,
        what: `It is ${status}, and its role ${role} may log in.`,
        consequence: 'The router refuses it; whoever has the password gets in past the router.',
        ...locking(look, entry, role),
      })
  return found
}

/** By name, what somebody has set for one login slot and not for the other. */
function settingsApart({ catalog }: ServerLook, slots: readonly string[]): string[] {
  const all = slots.map((role) => new Set(catalog.roles.get(role)?.settings))
  const apart = all.flatMap((own) => [...own].filter((one) => !all.every((other) => other.has(one))))
  return [...new Set(apart.map((setting) => setting.split('=', 1).join('')))]
}

/** A suspension is about the tenant's requests; of a deleted tenant nobody is let in, people and tools neither. */
function lockedRoles({ catalog }: ServerLook, { record }: Entry<'tenant'>): string[] {
  const { route, status } = record
  if (status === 'suspended') return slotsOf(route)
  const stem = route.role.slice(0, -1)
  return [...catalog.roles.keys()].filter((role) => role.startsWith(stem))
}

function locking(look: ServerLook, entry: Entry<'tenant'>, role: string): Pick<Found, 'fix' | 'repair'> {
  const isOurs = look.admin !== undefined && look.catalog.roles.get(role)?.isOurs === true
  const fix = `ALTER ROLE ${quoteName(role)} NOLOGIN; and end its sessions`
  return { fix, repair: isOurs ? lockRole(look.server, entry, role) : undefined }
}

/** Their roles are not ours. */
function registeredSuspended({ tenants, catalog, server }: ServerLook): Found[] {
  const open = tenants
    .filter(({ record }) => record.origin === 'registered' && record.status === 'suspended')
    .filter(({ record }) => catalog.roles.get(record.route.role)?.canLogin)
  if (open.length === 0) return []
  const roles = [...new Set(open.map(({ record }) => quoteName(record.route.role)))]
  return [
    {
      severity: 'info',
      subject: `server ${server.id}`,
      what: `Roles of suspended tenants that were registered may log in: ${some(open.map(({ id }) => id))}.`,
      consequence: 'The router refuses them; whoever has such a password gets in past the router.',
      fix: roles.map((role) => `ALTER ROLE ${role} NOLOGIN`).join('; '),
    },
  ]
}

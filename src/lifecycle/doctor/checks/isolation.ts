import type { Entry } from '../../../registry/registry.ts'
import { checkTenant } from '../../tenant/check-tenant.ts'
import { PUBLIC } from '../catalog.ts'
import { type Found, type Repair, some } from '../finding.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

const DAY_MS = 86_400_000
/** A look at isolation is worth so much time. */
const STALE_DAYS = 30

/** Whether tenants are cut off from each other as the registry says, and why where they are not. */
export const isolation: ServerCheck = {
  name: 'isolation',
  run(look): Found[] {
    const breachesOf = breaches(look)
    return look.tenants
      .filter(({ record }) => record.status === 'active')
      .flatMap((entry) => ofTenant(entry, breachesOf))
  },
}

function ofTenant(
  entry: Entry<'tenant'>,
  breachesOf: (entry: Entry<'tenant'>) => readonly string[],
): Found[] {
  const { id, record } = entry
  const subject = `tenant ${id}`
  const again = { fix: `tenantry tenant check ${id}`, repair: lookAgain(id), isLooking: true }
  const { isolation: known } = record
  if (known === null) {
    const what = 'Nobody has looked yet whether its role is cut off from the other tenants.'
    return [{ severity: 'warning', subject, what, consequence: REFUSED, ...again }]
  }
  const found = breachesOf(entry)
  if (!known.isolated) {
    const isMended = found.length === 0
    const what = `It ${isMended ? 'counts as' : 'is'} not isolated: ${some(known.findings)}${isMended ? '; nothing of that is so any more' : ''}.`
    const byHand = `Cut its role off (docs/operations.md), then: tenantry tenant check ${id}`
    const fix =
      record.origin === 'registered'
        ? `tenantry tenant adopt ${id} (it shows its plan first). Or: ${byHand}`
        : byHand
    return [{ severity: 'warning', subject, what, consequence: REFUSED, fix, ...(isMended ? again : {}) }]
  }
  if (found.length > 0) {
    return [
      {
        severity: 'error',
        subject,
        what: `It counts as isolated, and is not: its role ${record.route.role} ${found.join(', ')}.`,
        consequence: 'SQL of its own keys runs, and may reach what is not its own.',
        ...again,
      },
    ]
  }
  const days = Math.floor((Date.now() - Date.parse(known.checkedAt)) / DAY_MS)
  if (days < STALE_DAYS) return []
  const what = `Whether it is isolated was last looked at ${days} days ago.`
  return [
    { severity: 'info', subject, what, consequence: 'Roles and grants may be others by now.', ...again },
  ]
}

const REFUSED = 'SQL of its own keys is refused (role_not_isolated). Service keys and the library work.'

function lookAgain(id: string): Repair {
  return async (parts, actor) => {
    await checkTenant(parts, id, actor)
  }
}

/** What a tenant's role can that nobody's isolated role can. */
function breaches({ catalog, tenants }: ServerLook): (entry: Entry<'tenant'>) => string[] {
  const granted = new Map<string, string[]>()
  const owned = new Map<string, string[]>()
  const shared = new Map<string, string[]>()
  for (const { name, owner } of catalog.databases.values()) note(owned, owner, name)
  const there = tenants.filter(({ record }) => record.status !== 'deleted')
  for (const { id, record } of there) {
    note(shared, `role ${record.route.role}`, id)
    note(shared, `database ${record.route.database}`, id)
  }
  for (const name of new Set(there.map(({ record }) => record.route.database))) {
    const { isOpen, grants } = catalog.databases.get(name) ?? {}
    if (isOpen) for (const role of grants?.get('CONNECT') ?? []) note(granted, role, name)
  }
  return ({ id, record: { route } }) => {
    const { attributes, memberships } = catalog.roles.get(route.role) ?? { attributes: '', memberships: [] }
    const owns = owned.get(route.role) ?? []
    const reached = [PUBLIC, route.role].flatMap((role) => granted.get(role) ?? [])
    const others = reached.filter((name) => name !== route.database)
    const sharers = [`role ${route.role}`, `database ${route.database}`].flatMap(
      (what) => shared.get(what) ?? [],
    )
    const alike = [...new Set(sharers)].filter((sharer) => sharer !== id)
    return [
      ...(alike.length === 0 ? [] : [`is used, or its database, by ${some(alike)} too`]),
      ...(attributes === '' ? [] : [`has ${attributes}`]),
      ...(memberships.length === 0 ? [] : [`is a member of ${some(memberships)}`]),
      ...(owns.length === 0 ? [] : [`owns ${some(owns)}`]),
      ...(others.length === 0 ? [] : [`may connect to ${some(others)}`]),
    ]
  }
}

function note(map: Map<string, string[]>, key: string, name: string): void {
  const names = map.get(key)
  if (names) names.push(name)
  else map.set(key, [name])
}

import { InternalError, PreconditionFailedError } from '../../errors.ts'
import type { Step } from '../operation/operation.ts'
import { stampStatements } from '../provision/furnish.ts'
import { rolesOf } from '../provision/names.ts'
import { createRoles } from '../provision/roles.ts'
import type { Session } from '../session.ts'
import { quoteName } from '../sql-name.ts'
import { holds, readAccess } from './access-list.ts'
import type { Adopting } from './adoption.ts'
import { creatorsFor, defaultRightsOf, defaultStatements, wholeStatements } from './default-rights.ts'
import { settingStatements, settingsOf } from './old-settings.ts'
import { grantStatements, missingRights } from './rights.ts'
import { DATABASE_OWNER } from './survey.ts'

/** In this order the old login works as it did after every one of them. */
export const ADOPT_STEPS: readonly Step<Adopting>[] = [
  { name: 'roles', run: ({ provisioning }) => createRoles(provisioning) },
  { name: 'settings', run: giveSettings },
  { name: 'owner', run: takeOwnership },
  { name: 'rights', run: giveRights },
  { name: 'stamp', run: putStamp },
  { name: 'close', run: closeToPublic },
]

async function giveSettings({ provisioning, before }: Adopting): Promise<void> {
  const { slots, database } = provisioning.plan
  const inside = await provisioning.adminInside()
  const settings = await settingsOf(inside, before.route.role)
  for (const slot of [slots.a, slots.b])
    for (const statement of settingStatements(settings, slot, database)) await inside.execute(statement)
}

/**
 * The database is a NOLOGIN role's. What its owner had by being that, it gets by name, in the same transaction: there
 * is no moment in which it is without.
 */
async function takeOwnership({ provisioning, before }: Adopting): Promise<void> {
  const { plan } = provisioning
  const inside = await provisioning.adminInside()
  await inside.execute(`grant ${quoteName(plan.owner)} to current_user${await withItsRights(inside)}`)
  const database = quoteName(plan.database)
  const former = quoteName(before.owner)
  await inside.transaction(async () => {
    await inside.execute(`alter database ${database} owner to ${quoteName(plan.owner)}`)
    await inside.execute(`grant connect, create, temporary on database ${database} to ${former}`)
    const rights = holds(before.database, { grantee: null, privilege: 'TEMPORARY' })
      ? 'connect, temporary'
      : 'connect'
    for (const guest of guestsOf({ provisioning, before }))
      await inside.execute(`grant ${rights} on database ${database} to ${quoteName(guest)}`)
    const schema = await readAccess(inside, { kind: 'schema', name: 'public' })
    if (schema?.owner === DATABASE_OWNER)
      await inside.execute(`grant usage, create on schema public to ${former}`)
  })
}

/** Those who come in by name from now on, beside the former owner. */
export function guestsOf({ provisioning, before }: Pick<Adopting, 'provisioning' | 'before'>): string[] {
  const { owner } = provisioning.plan
  const { role, readOnly } = before.route
  const ours = rolesOf(provisioning.plan).filter((name) => name !== owner)
  const others = [role, provisioning.adminRole(), ...(readOnly === null ? [] : [readOnly.role])]
  return [...ours, ...others.filter((name) => name !== before.owner)]
}

/** What belongs to a role of whose rights the admin makes use can be granted, given away and taken back. */
export async function withItsRights(session: Session): Promise<string> {
  // As the server reports it to every client, as `16.4` or `18.0 (Debian …)`.
  const version = Number.parseInt(session.connection.parameters['server_version'] ?? '', 10)
  return version >= 16 ? ' with inherit true, set true' : ''
}

/** Of the two slots: all that the old role may, and with what is made later, whoever of them makes it. */
async function giveRights({ provisioning, before }: Adopting): Promise<void> {
  const { slots, owner } = provisioning.plan
  const { role } = before.route
  const inside = await provisioning.adminInside()
  const both = `${quoteName(slots.a)}, ${quoteName(slots.b)}`
  const run = async (statements: readonly string[]) => {
    for (const statement of statements) await inside.execute(statement)
  }
  await run(grantStatements(await missingRights(inside, role, [slots.a, slots.b]), both))
  const creators = await creatorsFor(inside, role)
  for (const creator of creators) await run(wholeStatements(creator, both))
  // An earlier run may have given the old role what ours make.
  const ours = rolesOf(provisioning.plan)
  const defaults = (await defaultRightsOf(inside, role)).filter(({ creator }) => !ours.includes(creator))
  await run(defaultStatements(defaults, both))
  const old = quoteName(role)
  await inside.asRole(owner, () => run(wholeStatements(owner, `${both}, ${old}`)))
  if (creators.includes(role)) {
    for (const [slot, other] of [
      [slots.a, slots.b],
      [slots.b, slots.a],
    ] as const)
      await inside.asRole(slot, () => run(wholeStatements(slot, `${quoteName(other)}, ${old}`)))
  }
  const [left] = await missingRights(inside, role, [slots.a, slots.b])
  if (left === undefined) return
  throw new PreconditionFailedError(
    `${left.privileges.join(', ')} on ${left.kind} ${left.objects.slice(0, 3).join(', ')} could not be granted as role ${left.owner}: a rule of somebody else’s revokes it.`,
  )
}

/** The router's connections read it, as whatever role. */
async function putStamp({ provisioning, before }: Adopting): Promise<void> {
  const { plan, tenant } = provisioning
  const inside = await provisioning.adminInside()
  const { readOnly } = before.route
  const readers = [plan.slots.a, plan.slots.b, ...(readOnly === null ? [] : [readOnly.role])]
  const stamping = { tenant: tenant.id, generation: plan.generation, state: 'live' as const }
  const statements = stampStatements(stamping, plan, readers.map(quoteName).join(', '))
  await inside.asRole(plan.owner, () =>
    inside.transaction(async () => {
      for (const statement of statements) await inside.execute(statement)
    }),
  )
}

async function closeToPublic({ provisioning }: Adopting): Promise<void> {
  const { database, owner, slots } = provisioning.plan
  const inside = await provisioning.adminInside()
  await inside.execute(`revoke all on database ${quoteName(database)} from public`)
  const access = await readAccess(inside, { kind: 'database', name: database })
  const grants = access?.grants ?? []
  const isOpen = grants.some(({ grantee }) => grantee === null)
  const has = (grantee: string) => holds(grants, { grantee, privilege: 'CONNECT' })
  if (access?.owner === owner && !isOpen && has(slots.a) && has(slots.b)) return
  throw new InternalError(
    `database ${database} is not closed as it was meant to be: ${JSON.stringify(access)}`,
  )
}

import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Step } from '../operation/operation.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { countSessions, endSessionsOfRole } from '../tenant/fence.ts'
import { type Grant, holds, type Place, readAccess, restoreAccess } from './access-list.ts'
import { guestsOf, withItsRights } from './adopt-steps.ts'
import type { Adopting } from './adoption.ts'

const LOOK_EVERY_MS = 50

/** After requests go to the old login again. */
export const RELEASE_STEPS: readonly Step<Adopting>[] = [
  { name: 'drain', run: drain },
  { name: 'owner', run: giveBackOwnership },
  { name: 'objects', run: giveBackObjects },
  { name: 'rights', run: giveBackRights },
  { name: 'roles', run: dropRoles },
]

/** Routers end a session of the slots as soon as nothing runs on it; past the deadline it is cut. */
async function drain({ provisioning, waits }: Adopting): Promise<void> {
  await delay(waits.hearMs)
  const admin = await provisioning.admin()
  const roles = await presentRoles(admin, provisioning)
  const which = `s.usename in (${[...roles, ''].map(quoteText).join(', ')})`
  const deadline = performance.now() + waits.drainMs
  while ((await countSessions(admin, which)) > 0 && performance.now() < deadline) await delay(LOOK_EVERY_MS)
  for (const role of roles) {
    await admin.execute(`alter role ${quoteName(role)} nologin`)
    await endSessionsOfRole(admin, role)
  }
}

async function giveBackOwnership({ provisioning, before }: Adopting): Promise<void> {
  const { plan } = provisioning
  const inside = await provisioning.adminInside()
  const access = await readAccess(inside, { kind: 'database', name: plan.database })
  if (access?.owner === plan.owner)
    await inside.execute(`alter database ${quoteName(plan.database)} owner to ${quoteName(before.owner)}`)
  const stamp = await readAccess(inside, { kind: 'schema', name: 'tenantry' })
  if (stamp?.owner === plan.owner) await inside.execute('drop schema tenantry cascade')
}

/** What the new roles made is the old role's, and nothing is granted to them any more. */
async function giveBackObjects({ provisioning, before }: Adopting): Promise<void> {
  const inside = await provisioning.adminInside()
  const roles = await presentRoles(inside, provisioning)
  if (roles.length === 0) return
  const all = roles.map(quoteName).join(', ')
  await inside.execute(`grant ${all} to current_user${await withItsRights(inside)}`)
  const heir = (await hasRightsOf(inside, before.route.role)) ? before.route.role : before.owner
  await inside.execute(`reassign owned by ${all} to ${quoteName(heir)}`)
  await inside.execute(`drop owned by ${all}`)
}

async function hasRightsOf(session: Session, role: string): Promise<boolean> {
  const { has } = await session.row(
    z.object({ has: z.boolean() }),
    `select pg_catalog.pg_has_role(${quoteText(role)}, 'USAGE') as has`,
  )
  return has
}

/** As they were, with what somebody else granted since at the end. */
async function giveBackRights(adopting: Adopting): Promise<void> {
  const { provisioning, before } = adopting
  const inside = await provisioning.adminInside()
  const ours = new Set([before.owner, ...guestsOf(adopting)])
  const restore = async (place: Place, then: readonly Grant[]) => {
    const present = (await readAccess(inside, place))?.grants ?? []
    const since = present.filter(
      (one) => !holds(then, one) && !(one.grantee !== null && ours.has(one.grantee)),
    )
    await restoreAccess(inside, place, [...then, ...since])
  }
  await restore({ kind: 'database', name: provisioning.plan.database }, before.database)
  if (before.publicSchema !== null) await restore({ kind: 'schema', name: 'public' }, before.publicSchema)
}

async function dropRoles({ provisioning }: Adopting): Promise<void> {
  const admin = await provisioning.admin()
  for (const role of await presentRoles(admin, provisioning))
    await admin.execute(`drop role ${quoteName(role)}`)
}

/**
 * Those of the new roles that are there, and what was made beside them since (groups of credentials); members of another
 * before that. An adoption may have failed before it made them, and a release after it dropped them.
 */
async function presentRoles(session: Session, { plan }: Adopting['provisioning']): Promise<string[]> {
  const rows = await session.rows(
    z.object({ name: z.string() }),
    `select r.rolname::text as name from pg_catalog.pg_roles r
      where pg_catalog.starts_with(r.rolname::text, ${quoteText(plan.slots.a.slice(0, -1))}) order by 1`,
  )
  const names = rows.map(({ name }) => name)
  return [...names.filter((name) => name !== plan.owner), ...names.filter((name) => name === plan.owner)]
}

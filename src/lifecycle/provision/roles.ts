import { z } from 'zod'
import { InternalError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Provisioning } from './provisioning.ts'
import { setPassword } from './role-password.ts'

/**
 * The owner, as whom nobody logs in, and the two login slots. Only slot A can log in until the first
 * rotation gives slot B a password of its own.
 */
export async function createRoles(provisioning: Provisioning): Promise<void> {
  const { owner, slots } = provisioning.plan
  const admin = await provisioning.admin()
  for (const role of [owner, slots.a, slots.b]) {
    await admin.create(`create role ${quoteName(role)} nologin`)
    await admin.execute(`grant ${quoteName(role)} to current_user${await membershipOptions(admin)}`)
  }
  await setPassword(provisioning, slots.a)
  await readBack(admin, owner, slots)
}

/** The admin must be able to become each role, to own its database or end its sessions; not to have its rights unasked. */
async function membershipOptions(admin: Session): Promise<string> {
  const { version } = await admin.row(
    z.object({ version: z.int() }),
    `select pg_catalog.current_setting('server_version_num')::int as version`,
  )
  return version >= 160_000 ? ' with inherit false, set true' : ''
}

const Found = z.object({ name: z.string(), powers: z.string() })

async function readBack(admin: Session, owner: string, slots: { a: string; b: string }): Promise<void> {
  const found = await admin.rows(
    Found,
    `select r.rolname::text as name, pg_catalog.concat_ws(',',
         case when r.rolcanlogin then 'login' end, case when r.rolsuper then 'superuser' end,
         case when r.rolcreatedb then 'createdb' end, case when r.rolcreaterole then 'createrole' end,
         case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end,
         case when exists (select from pg_catalog.pg_auth_members m where m.member = r.oid) then 'member' end) as powers
       from pg_catalog.pg_roles r
      where r.rolname in (${[owner, slots.a, slots.b].map(quoteText).join(', ')})`,
  )
  const powers = new Map(found.map((role) => [role.name, role.powers]))
  const asMeant = powers.get(owner) === '' && powers.get(slots.a) === 'login' && powers.get(slots.b) === ''
  if (!asMeant) throw new InternalError(`roles are not as they were made: ${JSON.stringify([...powers])}`)
}

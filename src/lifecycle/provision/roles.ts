import { z } from 'zod'
import { InternalError, SqlError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Making } from './making.ts'
import { type Names, rolesOf } from './names.ts'
import type { Provisioning } from './provisioning.ts'
import { setPassword } from './role-password.ts'
import { limitRoles } from './role-settings.ts'

/** Tools that migrate keep a pool of their own. */
const MIGRATOR_CONNECTIONS = 10

/** The roles of a tenant, of which slot A may log in. */
export async function createRoles(provisioning: Provisioning): Promise<void> {
  await makeRoles(provisioning)
  await letIn(provisioning, await provisioning.admin())
}

/**
 * The owner, as whom nobody logs in, the two login slots, and the role of migrations, which becomes the owner as it
 * logs in and has no rights of its own: what it makes is the owner's. None can log in yet.
 */
export async function makeRoles(making: Making): Promise<void> {
  const { owner, migrator } = making.plan
  const admin = await making.admin()
  const options = await membershipOptions(admin)
  const creations = rolesOf(making.plan).map(
    (role) => `create role ${quoteName(role)} nologin${role === migrator ? ' noinherit' : ''}`,
  )
  await createAll(admin, creations)
  const memberships = rolesOf(making.plan).map((role) => `grant ${quoteName(role)} to current_user${options}`)
  if (migrator !== undefined) {
    const name = quoteName(migrator)
    memberships.push(
      `grant ${quoteName(owner)} to ${name}${options}`,
      `alter role ${name} connection limit ${MIGRATOR_CONNECTIONS}`,
      `alter role ${name} set role to ${quoteName(owner)}`,
    )
  }
  await admin.script(memberships.join(';'))
}

/** All at once, or, where an earlier run made some, one after another. */
async function createAll(admin: Session, creations: readonly string[]): Promise<void> {
  try {
    await admin.script(creations.join(';'))
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    for (const creation of creations) await admin.create(creation)
  }
}

/**
 * Gives both slots the tenant's limits, and slot A its password: slot B gets one of its own at the first rotation.
 * @param admin in any database.
 */
export async function letIn(provisioning: Provisioning, admin: Session): Promise<void> {
  const { parts, server, plan } = provisioning
  const { connectionLimit, settings, slots } = plan
  if (connectionLimit !== null) await limitRoles(admin, [slots.a, slots.b], connectionLimit, settings)
  const setting = {
    parts,
    server,
    password: () => provisioning.password(),
    admin: () => Promise.resolve(admin),
  }
  await setPassword(setting, slots.a)
  await readBack(admin, plan)
}

/** The admin must be able to become each role, to own its database or end its sessions; not to have its rights unasked. */
export async function membershipOptions(admin: Session): Promise<string> {
  const { version } = await admin.row(
    z.object({ version: z.int() }),
    `select pg_catalog.current_setting('server_version_num')::int as version`,
  )
  return version >= 160_000 ? ' with inherit false, set true' : ''
}

const Found = z.object({ name: z.string(), powers: z.string() })

async function readBack(admin: Session, names: Names): Promise<void> {
  const { owner, slots, migrator } = names
  const found = await admin.rows(
    Found,
    `select r.rolname::text as name, pg_catalog.concat_ws(',',
         case when r.rolcanlogin then 'login' end, case when r.rolsuper then 'superuser' end,
         case when r.rolcreatedb then 'createdb' end, case when r.rolcreaterole then 'createrole' end,
         case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end,
         (select 'member of ' || pg_catalog.string_agg(distinct g.rolname::text, ' ')
            from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
           where m.member = r.oid),
         (select pg_catalog.string_agg(c, ' ') from pg_catalog.unnest(r.rolconfig) c where c like 'role=%')) as powers
       from pg_catalog.pg_roles r where r.rolname in (${rolesOf(names).map(quoteText).join(', ')})`,
  )
  const meant = new Map([
    [owner, ''],
    [slots.a, 'login'],
    [slots.b, ''],
  ])
  if (migrator !== undefined) meant.set(migrator, `member of ${owner},role=${owner}`)
  const powers = new Map(found.map((role) => [role.name, role.powers]))
  const isMeant = [...meant].every(([name, power]) => powers.get(name) === power)
  if (!isMeant) throw new InternalError(`roles are not as they were made: ${JSON.stringify([...powers])}`)
}

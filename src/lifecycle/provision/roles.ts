import { z } from 'zod'
import { InternalError, SqlError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Making } from './making.ts'
import { rolesOf } from './names.ts'
import type { Plan, Provisioning } from './provisioning.ts'
import { loginStatement, readBack, setPassword, verifierOf } from './role-password.ts'
import { isLimited, LIMITED, Limited, limitRoles, limitStatements } from './role-settings.ts'

/** Tools that migrate keep a pool of their own. */
const MIGRATOR_CONNECTIONS = 10

/** The roles of a tenant, of which slot A may log in. */
export async function createRoles(provisioning: Provisioning): Promise<void> {
  await makeRoles(provisioning)
  const admin = await provisioning.admin()
  await letIn(provisioning, admin)
  await readBackRoles(admin, provisioning.plan)
}

/**
 * The owner, as whom nobody logs in, the two login slots, and the role of migrations, which becomes the owner as it
 * logs in and has no rights of its own: what it makes is the owner's. None can log in yet.
 */
export async function makeRoles(making: Making): Promise<void> {
  const { owner, migrator } = making.plan
  const admin = await making.admin()
  const options = membershipOptions(admin)
  const creations = rolesOf(making.plan).map(
    (role) => `create role ${quoteName(role)} nologin${role === migrator ? ' noinherit' : ''}`,
  )
  const memberships = rolesOf(making.plan).map((role) => `grant ${quoteName(role)} to current_user${options}`)
  if (migrator !== undefined) {
    const name = quoteName(migrator)
    memberships.push(
      `grant ${quoteName(owner)} to ${name}${options}`,
      `alter role ${name} connection limit ${MIGRATOR_CONNECTIONS}`,
      `alter role ${name} set role to ${quoteName(owner)}`,
    )
  }
  await allAtOnce(admin, [...creations, ...memberships], async () => {
    // An earlier run made some.
    for (const creation of creations) await admin.create(creation)
    await admin.script(memberships.join(';'))
  })
}

/**
 * In one transaction and one round trip; where the server refuses that, `oneByOne`, which says what it refused.
 * @returns whether it went all at once.
 */
async function allAtOnce(
  admin: Session,
  statements: readonly string[],
  oneByOne: () => Promise<void>,
): Promise<boolean> {
  try {
    await admin.script(statements.join(';'))
    return true
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    await oneByOne()
    return false
  }
}

/**
 * Gives both slots the tenant's limits, and slot A its password: slot B gets one of its own at the first rotation.
 * That the server kept the password is read back where the admin may look, and proved by the login that follows.
 * @param admin in any database.
 */
export async function letIn(provisioning: Provisioning, admin: Session): Promise<void> {
  const { parts, server, plan } = provisioning
  const { connectionLimit, settings, slots } = plan
  const both = [slots.a, slots.b]
  const password = provisioning.password()
  const limits = connectionLimit === null ? [] : limitStatements(both, connectionLimit, settings)
  const verifier = await verifierOf(parts, password)
  const login = loginStatement(slots.a, verifier)
  const wentAtOnce = await allAtOnce(admin, [...limits, login], async () => {
    if (connectionLimit !== null) await limitRoles(admin, both, connectionLimit, settings)
    const setting = { parts, server, password: () => password, admin: () => Promise.resolve(admin) }
    await setPassword(setting, slots.a)
  })
  if (wentAtOnce) await readBack(admin, slots.a, verifier)
}

/** The admin must be able to become each role, to own its database or end its sessions; not to have its rights unasked. */
export function membershipOptions(admin: Session): string {
  return admin.majorVersion >= 16 ? ' with inherit false, set true' : ''
}

const Found = z.object({ name: z.string(), powers: z.string(), ...Limited.shape })

/** @throws {InternalError} where a role may more or less than it should. */
export async function readBackRoles(admin: Session, plan: Plan): Promise<void> {
  const { owner, slots, migrator, connectionLimit, settings } = plan
  const found = await admin.rows(
    Found,
    `select r.rolname::text as name, pg_catalog.concat_ws(',',
         case when r.rolcanlogin then 'login' end, case when r.rolsuper then 'superuser' end,
         case when r.rolcreatedb then 'createdb' end, case when r.rolcreaterole then 'createrole' end,
         case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end,
         (select 'member of ' || pg_catalog.string_agg(distinct g.rolname::text, ' ')
            from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
           where m.member = r.oid),
         (select pg_catalog.string_agg(c, ' ') from pg_catalog.unnest(r.rolconfig) c where c like 'role=%')) as powers,
         ${LIMITED}
       from pg_catalog.pg_roles r where r.rolname in (${rolesOf(plan).map(quoteText).join(', ')})`,
  )
  const meant = new Map([
    [owner, ''],
    [slots.a, 'login'],
    [slots.b, ''],
  ])
  if (migrator !== undefined) meant.set(migrator, `member of ${owner},role=${owner}`)
  const roles = new Map(found.map((role) => [role.name, role]))
  const isMeant = [...meant].every(([name, power]) => roles.get(name)?.powers === power)
  const areLimited =
    connectionLimit === null ||
    found
      .filter(({ name }) => name === slots.a || name === slots.b)
      .every((role) => isLimited(role, connectionLimit, settings))
  if (isMeant && areLimited) return
  throw new InternalError(`roles are not as they were made: ${JSON.stringify(found)}`)
}

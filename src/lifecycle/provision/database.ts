import { z } from 'zod'
import { InternalError, PreconditionFailedError, SqlError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Making, MakingPlan } from './making.ts'

/**
 * Closed from the first moment: CREATE DATABASE alone would let every role of the server in. From template0,
 * since a session parked in template1 makes the copy of that one fail; or from a template of our own, which lets
 * nobody in.
 * @throws {PreconditionFailedError} where somebody is in that template.
 */
export async function createDatabase(making: Making): Promise<void> {
  const { database, owner, template, strategy } = making.plan
  const admin = await making.admin()
  const source = quoteName(template?.database ?? 'template0')
  const how = strategy === undefined ? '' : ` strategy ${strategy}`
  try {
    await admin.create(
      `create database ${quoteName(database)} owner ${quoteName(owner)} template ${source}${how} allow_connections false`,
    )
  } catch (error) {
    throw (template && occupied(error, template)) ?? error
  }
  const found = await lookUp(admin, database)
  if (found.owner !== owner) throw new InternalError(`database ${database} has owner ${found.owner}`)
}

/** 55006: the server waited five seconds for the sessions in what it was to copy. */
function occupied(error: unknown, { name, database }: NonNullable<MakingPlan['template']>) {
  if (!(error instanceof SqlError) || error.sqlstate !== '55006') return undefined
  return new PreconditionFailedError(
    `Somebody is connected to database ${database} of template ${name}: as long as a session is in a template, no ` +
      `tenant can be made from it. End it (pg_stat_activity tells whose it is), and close the template again: ` +
      `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`,
  )
}

/** To nobody but the owner, the login roles and the admin; and not before that was seen. */
export async function openDatabase(making: Making): Promise<void> {
  const { database, owner, slots, migrator } = making.plan
  const admin = await making.admin()
  const name = quoteName(database)
  const guests = [slots.a, slots.b, ...(migrator === undefined ? [] : [migrator]), making.adminRole()]
  const asOwner = (statements: string) =>
    admin.script(`set role ${quoteName(owner)}; ${statements}; reset role`)
  await asOwner(
    `revoke all on database ${name} from public;
     grant connect on database ${name} to ${guests.map(quoteName).join(', ')}`,
  )
  const { grants } = await lookUp(admin, database)
  const meant = [
    ...['CONNECT', 'CREATE', 'TEMPORARY'].map((right) => `${owner} ${right}`),
    ...guests.map((guest) => `${guest} CONNECT`),
  ].toSorted()
  if (grants.join() !== meant.join()) {
    throw new InternalError(`database ${database} grants ${grants.join()}, meant is ${meant.join()}`)
  }
  await asOwner(`alter database ${name} allow_connections true`)
  const found = await lookUp(admin, database)
  if (!found.isOpen) throw new InternalError(`database ${database} accepts no connections`)
}

const Found = z.object({ owner: z.string(), isOpen: z.boolean(), grants: z.array(z.string()) })

async function lookUp(admin: Session, database: string): Promise<z.output<typeof Found>> {
  const found = await admin.row(
    Found,
    `select r.rolname::text as owner, d.datallowconn as "isOpen",
       array(select coalesce(g.rolname::text, 'PUBLIC') || ' ' || a.privilege_type
               from pg_catalog.aclexplode(d.datacl) a left join pg_catalog.pg_roles g on g.oid = a.grantee) as grants
       from pg_catalog.pg_database d join pg_catalog.pg_roles r on r.oid = d.datdba
      where d.datname = ${quoteText(database)}`,
  )
  return { ...found, grants: found.grants.toSorted() }
}

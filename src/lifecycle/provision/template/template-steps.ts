import { z } from 'zod'
import { InternalError, PreconditionFailedError } from '../../../errors.ts'
import type { Sealer } from '../../../registry/sealing.ts'
import type { ServerRecord, Template } from '../../../registry/server-record.ts'
import type { Step } from '../../operation/operation.ts'
import type { LifecycleParts } from '../../parts.ts'
import { quoteName, quoteText } from '../../sql-name.ts'
import type { ExtensionName } from '../extension-names.ts'
import { makeExtensions } from '../extensions.ts'
import { Making } from '../making.ts'
import { membershipOptions } from '../roles.ts'

export interface TemplateContents {
  readonly schema: string
  readonly extensions: readonly ExtensionName[]
}

/** One run of the saga that makes a template. */
export class TemplateMaking extends Making<Template> {
  readonly contents: TemplateContents

  constructor(
    parts: LifecycleParts,
    adminSealer: Sealer,
    given: {
      readonly server: ServerRecord
      readonly template: Template
      readonly contents: TemplateContents
    },
  ) {
    super(parts, adminSealer, given.server, given.template)
    this.contents = given.contents
  }
}

export const TEMPLATE_STEPS: readonly Step<TemplateMaking>[] = [
  { name: 'role', run: createOwner },
  { name: 'database', run: createDatabase },
  { name: 'schema', run: applySchema },
  { name: 'seal', run: seal },
]

/** Of the contents alone: an owner of the database would lose it with them, when a copy takes them over. */
async function createOwner(making: TemplateMaking): Promise<void> {
  const admin = await making.admin()
  const role = quoteName(making.plan.owner)
  await admin.create(`create role ${role} nologin`)
  await admin.execute(`grant ${role} to current_user${membershipOptions(admin)}`)
}

/** The admin's own, and closed to everybody else before it is opened. */
async function createDatabase(making: TemplateMaking): Promise<void> {
  const { database } = making.plan
  const admin = await making.admin()
  const name = quoteName(database)
  await admin.create(`create database ${name} template template0 allow_connections false`)
  await admin.execute(`revoke all on database ${name} from public`)
  const { guests } = await admin.row(
    z.object({ guests: z.array(z.string()) }),
    `select array(select coalesce(g.rolname::text, 'PUBLIC')
                    from pg_catalog.aclexplode(d.datacl) a left join pg_catalog.pg_roles g on g.oid = a.grantee
                   where g.rolname is distinct from current_user) as guests
       from pg_catalog.pg_database d where d.datname = ${quoteText(database)} and d.datacl is not null`,
  )
  if (guests.length > 0) throw new InternalError(`template ${database} lets in ${guests.join(', ')}`)
  await admin.execute(`alter database ${name} allow_connections true`)
}

/** In one transaction, with the mark that it ran. Rights that its owner needs for it are gone at the end of it. */
async function applySchema(making: TemplateMaking): Promise<void> {
  const { database, owner, schemaSha256 } = making.plan
  const { schema, extensions } = making.contents
  const mark = `schema ${schemaSha256}`
  const [name, role] = [quoteName(database), quoteName(owner)]
  const inside = await making.adminInside()
  await inside.transaction(async () => {
    const { found } = await inside.row(
      z.object({ found: z.string().nullable() }),
      `select pg_catalog.shobj_description(d.oid, 'pg_database') as found
         from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()`,
    )
    if (found === mark) return
    if (found !== null) {
      throw new PreconditionFailedError(
        'Another schema text has run already. Give that again to go on, or make a template by another name.',
      )
    }
    await inside.execute(`grant create on database ${name} to ${role}`)
    await inside.execute(`grant usage, create on schema public to ${role}`)
    await inside.execute(`set local role ${role}`)
    await makeExtensions(inside, extensions)
    await inside.execute('set local search_path to public')
    await inside.script(schema)
    const present = await inside.row(
      z.object({ role: z.string() }),
      'select current_user::pg_catalog.text as role',
    )
    if (present.role !== owner)
      throw new PreconditionFailedError('The schema text changes the role it runs as, which it may not.')
    await inside.execute('reset role')
    await inside.execute(`revoke create on database ${name} from ${role}`)
    await inside.execute(`revoke usage, create on schema public from ${role}`)
    await inside.execute(`comment on database ${name} is ${quoteText(mark)}`)
  })
  await making.leave()
}

/** From now on nobody gets in, so nothing in it changes, and copying it never waits for a session. */
async function seal(making: TemplateMaking): Promise<void> {
  const { database } = making.plan
  const admin = await making.admin()
  const name = quoteName(database)
  await admin.execute(`alter database ${name} allow_connections false`)
  await admin.execute(`alter database ${name} is_template true`)
  const found = await admin.row(
    z.object({ isSealed: z.boolean() }),
    `select d.datistemplate and not d.datallowconn as "isSealed"
       from pg_catalog.pg_database d where d.datname = ${quoteText(database)}`,
  )
  if (!found.isSealed) throw new InternalError(`template ${database} is not closed as it was to be`)
}

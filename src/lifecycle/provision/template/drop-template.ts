import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { NotFoundError, PreconditionFailedError } from '../../../errors.ts'
import { everyEntry } from '../../../registry/every-entry.ts'
import type { Entry, Registry } from '../../../registry/registry.ts'
import { ServerId, type Template, TemplateName } from '../../../registry/server-record.ts'
import { underWay } from '../../operation/operation-hold.ts'
import { auditEntry, type LifecycleParts, now } from '../../parts.ts'
import { allServers, findServerEntry } from '../../server/server-view.ts'
import { inTurn, turnOn } from '../../server/turn.ts'
import { quoteName, quoteText } from '../../sql-name.ts'
import { adminSealerOf } from '../admin-key.ts'
import { Making } from '../making.ts'
import { putTemplate } from './create-template.ts'

export const DropTemplate = z.strictObject({
  name: TemplateName,
  /** Default: the only server that has one of that name. */
  server: ServerId.optional(),
})
export type DropTemplate = z.input<typeof DropTemplate>

export interface TemplateDropped {
  readonly template: string
  readonly server: string
  readonly database: string
}

/**
 * Removes a template from its server and from the record; tenants that were made from it stay as they are. Called again
 * after it ended half way, it removes the rest.
 * @throws {NotFoundError | PreconditionFailedError} the second where spares are copied from it, or it is being made.
 */
export async function dropTemplate(
  parts: LifecycleParts,
  input: DropTemplate,
  actor: string,
): Promise<TemplateDropped> {
  const { name, server: named } = DropTemplate.parse(input)
  const adminSealer = adminSealerOf(parts)
  const { server, template } = await inTurn(() => close(parts, name, named, actor))
  const { database } = template
  const halfMade = await halfMadeFrom(parts.registry, database)
  if (halfMade !== undefined) {
    await inTurn(() => reopen(parts, server.id, template, actor))
    throw new PreconditionFailedError(
      `${halfMade} is half made from template ${name}: go on with it, or delete and purge it, and drop the template then.`,
    )
  }
  await using making = new Making(parts, adminSealer, server.record, template)
  await remove(making)
  await inTurn(async () => {
    const present = await findServerEntry(parts.registry, server.id)
    const templates = (present.record.templates ?? []).filter((other) => other.database !== database)
    const { puts, expectations } = turnOn([
      { ...present, record: { ...present.record, templates, updatedAt: now() } },
    ])
    const audit = auditEntry(actor, 'template.dropped', name, { server: server.id, database })
    await parts.registry.commit({ puts, audit }, expectations)
  })
  return { template: name, server: server.id, database }
}

/** A tenant is begun on the revision that its server was read at: from here on none is begun from this template. */
async function close(parts: LifecycleParts, name: string, named: string | undefined, actor: string) {
  const { server, template } = await findTemplate(parts.registry, name, named)
  await refuseUsed(parts.registry, server, template)
  const { database } = template
  const audit = auditEntry(actor, 'template.drop', name, { server: server.id, database })
  const { puts, expectations } = putTemplate(server, { ...template, operation: randomUUID() })
  await parts.registry.commit({ puts, audit }, expectations)
  return { server, template }
}

async function reopen({ registry }: LifecycleParts, id: string, template: Template, actor: string) {
  const audit = auditEntry(actor, 'template.kept', template.name, { server: id, database: template.database })
  const { puts, expectations } = putTemplate(await findServerEntry(registry, id), template)
  await registry.commit({ puts, audit }, expectations)
}

const HalfMade = z.object({ template: z.object({ database: z.string() }) })

/** A tenant that has not taken over what it copied, in words; undefined where there is none. */
async function halfMadeFrom(registry: Registry, database: string): Promise<string | undefined> {
  for (const state of ['running', 'failed'] as const) {
    for await (const { record } of everyEntry(registry, 'operation', { state })) {
      const from = HalfMade.safeParse(record.data).data?.template.database
      if (record.kind === 'provision' && from === database && !record.stepsDone.includes('own'))
        return `Tenant ${record.tenant}`
    }
  }
  return undefined
}

async function findTemplate(registry: Registry, name: string, named: string | undefined) {
  const found = (await allServers(registry)).flatMap((server) => {
    const template = server.record.templates?.find((one) => one.name === name)
    return template !== undefined && (named === undefined || server.id === named)
      ? [{ server, template }]
      : []
  })
  const [first] = found
  if (first === undefined)
    throw new NotFoundError(`there is no template ${name}${named ? ` on server ${named}` : ''}`)
  if (found.length === 1) return first
  const servers = found.map(({ server }) => server.id).join(', ')
  throw new PreconditionFailedError(`More than one server has template ${name}: name one of ${servers}.`)
}

async function refuseUsed(
  registry: Registry,
  { id, record }: Entry<'server'>,
  template: Template,
): Promise<void> {
  const { spares } = record
  const isCopied = spares?.template === template.name && spares.count > 0
  if (isCopied || spares?.ready.some((spare) => spare.template === template.name)) {
    throw new PreconditionFailedError(
      `Spares of server ${id} are copied from template ${template.name}: tenantry server spares ${id} --count 0`,
    )
  }
  const maker = template.operation === null ? undefined : await registry.find('operation', template.operation)
  if (maker?.record.state === 'running') throw underWay(maker.record)
}

async function remove(making: Making<Template>): Promise<void> {
  const { database, owner } = making.plan
  const admin = await making.admin()
  const found = await admin.rows(
    z.object({ name: z.string() }),
    `select d.datname::text as name from pg_catalog.pg_database d where d.datname = ${quoteText(database)}`,
  )
  if (found.length > 0) {
    await admin.execute(`alter database ${quoteName(database)} is_template false`)
    await admin.execute(`drop database ${quoteName(database)}`)
  }
  await admin.execute(`drop role if exists ${quoteName(owner)}`)
}

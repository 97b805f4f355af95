import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { PreconditionFailedError } from '../../../errors.ts'
import type { Entry, Registry } from '../../../registry/registry.ts'
import type { SealBinding } from '../../../registry/sealing.ts'
import { ServerId, type ServerRecord, Template, TemplateName } from '../../../registry/server-record.ts'
import { Sealed } from '../../../tenant/sealed.ts'
import { Operation } from '../../operation/operation.ts'
import { type Started, started } from '../../operation/started.ts'
import { type LifecycleParts, now } from '../../parts.ts'
import { findServerEntry } from '../../server/server-view.ts'
import { inTurn, turnOn } from '../../server/turn.ts'
import { adminSealerOf } from '../admin-key.ts'
import { ExtensionName } from '../extension-names.ts'
import { keptText, sha256 } from '../kept-text.ts'
import { chooseNames } from '../names.ts'
import { placeAnew } from '../place-tenant.ts'
import { refuseTransactionsIn } from '../schema.ts'
import { TEMPLATE_STEPS, type TemplateContents, TemplateMaking } from './template-steps.ts'

export const CreateTemplate = z.strictObject({
  /** Tenants that are made from it have this as their schema version. */
  name: TemplateName,
  /** Default: the only server that has an admin login. */
  server: ServerId.optional(),
  /** SQL, run once as the owner of what it makes in a transaction of ours, which it may not end. */
  schema: z.string().min(1).max(10_000_000),
  extensions: z.array(ExtensionName).max(50).default([]),
})
export type CreateTemplate = z.input<typeof CreateTemplate>

export interface TemplateCreated {
  readonly template: string
  readonly server: string
  readonly database: string
  /** False where it was there and nothing was done. */
  readonly created: boolean
}

const TemplateData = z.strictObject({
  server: ServerId,
  template: Template,
  extensions: z.array(ExtensionName),
  /** Until it is made; null also where it is too long to be kept. */
  schema: Sealed.nullable(),
})
type TemplateData = z.output<typeof TemplateData>

/**
 * Makes a database that tenants are copied from, under a name that stays its own: one that is made does not change,
 * since tenants that have that schema version would have two. Called again with the same text for one that is half
 * made, it goes on; for one that is made, it changes nothing.
 * @throws {InvalidRequestError | PreconditionFailedError | ServerUnknownError | ServerUnavailableError}
 */
export async function startTemplate(
  parts: LifecycleParts,
  input: CreateTemplate,
  actor: string,
): Promise<Started<TemplateCreated>> {
  const wanted = CreateTemplate.parse(input)
  refuseTransactionsIn(wanted.schema)
  const adminSealer = adminSealerOf(parts)
  return inTurn(async () => {
    const server = await placeAnew(parts.registry, wanted.server)
    const present = (server.record.templates ?? []).find(({ name }) => name === wanted.name)
    const schemaSha256 = contentsSha256(wanted)
    if (present?.operation === null)
      return { operation: null, result: Promise.resolve(there(server, present, schemaSha256)) }
    if (present !== undefined) return goOn(parts, await operationOf(parts.registry, present), actor, wanted)
    const { database, owner } = chooseNames()
    const template = { name: wanted.name, database, owner, schemaSha256, operation: null }
    const { extensions, schema } = wanted
    const data = {
      server: server.id,
      template,
      extensions,
      schema: keptText(parts.sealer, schema, textBinding(parts.registry, server.id)),
    } satisfies TemplateData
    // Named in the record before it is begun, so that nobody else takes the name.
    const claimed = { ...template, operation: randomUUID() }
    const operation = await Operation.begin(
      parts,
      {
        id: claimed.operation,
        kind: 'template',
        to: server.id,
        data,
        detail: { server: server.id, template: wanted.name },
      },
      actor,
      putTemplate(server, claimed),
    )
    const making = new TemplateMaking(parts, adminSealer, {
      server: server.record,
      template,
      contents: wanted,
    })
    return carryOut(parts, operation, making)
  })
}

export function resumeTemplate(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
): Promise<Started<TemplateCreated>> {
  return goOn(parts, entry, actor, undefined)
}

/** @param given default: what was kept. Another text than that is taken as long as none has run. */
async function goOn(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
  given: TemplateContents | undefined,
): Promise<Started<TemplateCreated>> {
  const adminSealer = adminSealerOf(parts)
  const data = TemplateData.parse(entry.record.data)
  const contents = given ?? keptContents(parts, data)
  const template = { ...data.template, schemaSha256: contentsSha256(contents) }
  const binding = textBinding(parts.registry, data.server)
  const schema = keptText(parts.sealer, contents.schema, binding)
  const present = { ...data, template, extensions: [...contents.extensions], schema } satisfies TemplateData
  const server = await findServerEntry(parts.registry, data.server)
  const operation = await Operation.take(parts, entry, actor, { operation: { data: present } })
  return carryOut(
    parts,
    operation,
    new TemplateMaking(parts, adminSealer, { server: server.record, template, contents }),
  )
}

function keptContents({ registry, sealer }: LifecycleParts, data: TemplateData): TemplateContents {
  const { schema, extensions, server, template } = data
  if (schema !== null)
    return { schema: sealer.open(schema, textBinding(registry, server)).reveal(), extensions }
  throw new PreconditionFailedError(
    `The schema text of template ${template.name} is too long to be kept: create it again with the same text to go on.`,
  )
}

function carryOut(
  parts: LifecycleParts,
  operation: Operation,
  making: TemplateMaking,
): Started<TemplateCreated> {
  return started(operation, async () => {
    await using opened = making
    await operation.run(TEMPLATE_STEPS, opened)
    const { plan, server } = opened
    const data = { ...operation.record.data, schema: null }
    await inTurn(async () => {
      const present = await findServerEntry(parts.registry, server.id)
      await operation.done({ data }, putTemplate(present, { ...plan, operation: null }))
    })
    return { template: plan.name, server: server.id, database: plan.database, created: true }
  })
}

/** @throws {PreconditionFailedError} where it is made of another text. */
function there({ id }: Entry<'server'>, template: Template, wanted: string): TemplateCreated {
  const { name, database, schemaSha256 } = template
  if (schemaSha256 !== wanted) {
    throw new PreconditionFailedError(
      `Template ${name} is there with another schema, and does not change: tenants that are made from it have ${name} ` +
        'as their schema version. Make a new one by another name.',
    )
  }
  return { template: name, server: id, database, created: false }
}

/** What a commit must hold so that the server has this template, and nobody changed it meanwhile. */
export function putTemplate(server: Entry<'server'>, template: Template) {
  const others = (server.record.templates ?? []).filter(({ name }) => name !== template.name)
  const record: ServerRecord = { ...server.record, templates: [...others, template], updatedAt: now() }
  return turnOn([{ ...server, record }])
}

async function operationOf(registry: Registry, { name, operation }: Template): Promise<Entry<'operation'>> {
  const entry = operation === null ? undefined : await registry.find('operation', operation)
  if (entry === undefined)
    throw new PreconditionFailedError(`Template ${name} is half dropped: tenantry template drop ${name}`)
  return entry
}

function contentsSha256({ schema, extensions }: TemplateContents): string {
  return sha256(JSON.stringify([schema, extensions.toSorted()]))
}

function textBinding(registry: Registry, server: string): SealBinding {
  return { registry: registry.id, subject: server, generation: 0, field: 'template.schema' }
}

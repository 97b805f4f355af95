import { z } from 'zod'
import { NotFoundError, PreconditionFailedError } from '../../errors.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { drainServer } from './drain-server.ts'
import { type ServerView, viewServer } from './server-view.ts'
import { refuseAnswering, type Silence } from './silent-server.ts'
import { inTurn } from './turn.ts'

const NAMED = 3

export const RemoveServer = z.strictObject({
  /** It is gone for good, with the spare databases and templates that are on record: refused where it answers. */
  gone: z.boolean().default(false),
})
export type RemoveServer = z.input<typeof RemoveServer>

/** @throws {NotFoundError} */
export async function showServer(registry: Registry, id: string): Promise<ServerView> {
  const { record, revision } = await serverEntry(registry, id)
  return viewServer(record, revision)
}

/**
 * Takes a server off the record. Nothing is done on the server itself.
 * @returns the server as it was.
 * @throws {PreconditionFailedError} where a tenant, a spare or a template is on it, or it is said to be gone and answers.
 * {NotFoundError | RevisionConflictError}
 */
export async function removeServer(
  parts: LifecycleParts,
  id: string,
  actor: string,
  input: RemoveServer = {},
): Promise<ServerView> {
  const { registry } = parts
  const { gone } = RemoveServer.parse(input)
  const before = await serverEntry(registry, id)
  const silence = gone ? await refuseAnswering(parts, before.record) : undefined
  await refuseUsed(registry, before, silence)
  // A tenant is begun on the revision that its server was read at. From here on none is, and those from before are seen.
  if (!before.record.draining) await drainServer(registry, id, true, actor)
  try {
    await inTurn(() => remove(registry, id, actor, silence))
  } catch (error) {
    if (error instanceof PreconditionFailedError && !before.record.draining)
      await drainServer(registry, id, false, actor)
    throw error
  }
  return viewServer(before.record, before.revision)
}

async function remove(
  registry: Registry,
  id: string,
  actor: string,
  silence: Silence | undefined,
): Promise<void> {
  const present = await serverEntry(registry, id)
  if (!present.record.draining)
    throw new PreconditionFailedError(`Somebody let tenants on server ${id} again meanwhile: it stays.`)
  await refuseUsed(registry, present, silence)
  const left = silence ? { ...ownOn(present.record), silent: silence.why } : {}
  await registry.commit(
    { removes: [{ kind: 'server', id }], audit: auditEntry(actor, 'server.remove', id, left) },
    [{ kind: 'server', id, revision: present.revision }],
  )
}

/** What is nowhere but on a server that is gone does not hold it on record. */
async function refuseUsed(
  registry: Registry,
  { id, record }: Entry<'server'>,
  silence: Silence | undefined,
): Promise<void> {
  const { entries, next } = await registry.list('tenant', undefined, { server: id, limit: NAMED })
  if (entries.length > 0) {
    const names = `${entries.map((entry) => entry.id).join(', ')}${next === undefined ? '' : ', …'}`
    throw new PreconditionFailedError(
      `There are tenants on server ${id} (${names}): move, delete and purge them first.`,
    )
  }
  if (silence !== undefined) return
  const { spares, templates } = ownOn(record)
  if (spares + templates > 0) {
    throw new PreconditionFailedError(
      `There are ${spares} spare databases and ${templates} templates of ours on server ${id}: drop them first.`,
    )
  }
  const making = record.spares?.operation ?? null
  const last = making === null ? undefined : await registry.find('operation', making)
  if (last === undefined || last.record.state === 'done') return
  throw new PreconditionFailedError(
    `A spare database may be half made on server ${id} (operation ${last.id}): keep none first, tenantry server spares ${id} --count 0`,
  )
}

/** How many databases of ours are on it that are no tenant's. */
function ownOn({ spares, templates }: ServerRecord): { readonly spares: number; readonly templates: number } {
  return { spares: spares?.ready.length ?? 0, templates: templates?.length ?? 0 }
}

/** Asked for by its name, one that is not there is not found; it is no defect of a tenant's route. */
async function serverEntry(registry: Registry, id: string): Promise<Entry<'server'>> {
  const entry = await registry.find('server', id)
  if (entry === undefined) throw new NotFoundError(`there is no server ${JSON.stringify(id.slice(0, 60))}`)
  return entry
}

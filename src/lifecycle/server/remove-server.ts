import { NotFoundError, PreconditionFailedError } from '../../errors.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { type ServerView, viewServer } from './server-view.ts'

const NAMED = 3

/** @throws {NotFoundError} */
export async function showServer(registry: Registry, id: string): Promise<ServerView> {
  const { record, revision } = await serverEntry(registry, id)
  return viewServer(record, revision)
}

/**
 * Takes a server off the record. Nothing is done on the server itself.
 * @returns the server as it was.
 * @throws {PreconditionFailedError} where a tenant, a spare or a template is on it. {NotFoundError | RevisionConflictError}
 */
export async function removeServer(
  { registry }: LifecycleParts,
  id: string,
  actor: string,
): Promise<ServerView> {
  const { record, revision } = await serverEntry(registry, id)
  const { entries, next } = await registry.list('tenant', undefined, { server: id, limit: NAMED })
  if (entries.length > 0) {
    const names = `${entries.map((entry) => entry.id).join(', ')}${next === undefined ? '' : ', …'}`
    throw new PreconditionFailedError(
      `There are tenants on server ${id} (${names}): move, delete and purge them first.`,
    )
  }
  const [spares, templates] = [record.spares?.ready.length ?? 0, record.templates?.length ?? 0]
  if (spares + templates > 0) {
    throw new PreconditionFailedError(
      `There are ${spares} spare databases and ${templates} templates of ours on server ${id}: drop them first.`,
    )
  }
  await registry.commit(
    { removes: [{ kind: 'server', id }], audit: auditEntry(actor, 'server.remove', id) },
    [{ kind: 'server', id, revision }],
  )
  return viewServer(record, revision)
}

/** Asked for by its name, one that is not there is not found; it is no defect of a tenant's route. */
async function serverEntry(registry: Registry, id: string): Promise<Entry<'server'>> {
  const entry = await registry.find('server', id)
  if (entry === undefined) throw new NotFoundError(`there is no server ${JSON.stringify(id.slice(0, 60))}`)
  return entry
}

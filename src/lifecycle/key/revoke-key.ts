import { NotFoundError } from '../../errors.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { type KeyView, viewKey } from './key-view.ts'

/**
 * The key is refused from now on, by this process at once and by others as soon as the change reaches them.
 * Revoking it again changes nothing.
 * @throws {NotFoundError | RevisionConflictError}
 */
export async function revokeKey({ registry }: LifecycleParts, id: string, actor: string): Promise<KeyView> {
  const entry = await registry.find('key', id)
  if (entry === undefined) throw new NotFoundError(`there is no key ${JSON.stringify(id.slice(0, 20))}`)
  if (entry.record.revokedAt !== null) return viewKey(entry.record, entry.revision)
  const record = { ...entry.record, revokedAt: now() }
  const [revision = 0] = await registry.commit(
    { puts: [{ kind: 'key', id, record }], audit: auditEntry(actor, 'key.revoke', id) },
    [{ kind: 'key', id, revision: entry.revision }],
  )
  return viewKey(record, revision)
}

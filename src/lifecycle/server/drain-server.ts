import type { Registry } from '../../registry/registry.ts'
import { auditEntry, now } from '../parts.ts'
import { findServerEntry, type ServerView, viewServer } from './server-view.ts'
import { inTurn } from './turn.ts'

/**
 * Keeps new tenants off a server, or lets them on it again. Those that are there are served as before; databases that
 * exist can still be registered.
 * @throws {ServerUnknownError}
 */
export async function drainServer(
  registry: Registry,
  id: string,
  draining: boolean,
  actor: string,
): Promise<ServerView> {
  return inTurn(async () => {
    const { record, revision } = await findServerEntry(registry, id)
    if ((record.draining ?? false) === draining) return viewServer(record, revision)
    const after = { ...record, draining, updatedAt: now() }
    const audit = auditEntry(actor, draining ? 'server.drain' : 'server.undrain', id)
    const [revisionAfter = 0] = await registry.commit(
      { puts: [{ kind: 'server', id, record: after }], audit },
      [{ kind: 'server', id, revision }],
    )
    return viewServer(after, revisionAfter)
  })
}

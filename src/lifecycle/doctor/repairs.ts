import { PreconditionFailedError } from '../../errors.ts'
import type { AuditEntry, Entry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { auditEntry } from '../parts.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import type { Session } from '../session.ts'
import { quoteName } from '../sql-name.ts'
import { endSessionsOfRole } from '../tenant/fence.ts'
import type { Repair } from './finding.ts'

/**
 * Changes a role of ours as the server's admin. On record before it is done, and only where the tenant is as it was
 * when it was looked at: what has been resumed or rotated since stays as that left it.
 */
export function changeRole(
  server: ServerRecord,
  { id, revision }: Entry<'tenant'>,
  { role, detail }: { readonly role: string; readonly detail: AuditEntry['detail'] },
  work: (session: Session) => Promise<void>,
): Repair {
  return async (parts, actor) => {
    await using admin = AdminSessions.of(parts, server)
    if (admin === undefined)
      throw new PreconditionFailedError(`Server ${server.id} has no admin to do it with.`)
    const audit = auditEntry(actor, 'tenant.doctor', id, { role, ...detail })
    await parts.registry.commit({ audit }, [{ kind: 'tenant', id, revision }])
    await admin.atHome(work)
  }
}

/** Lets nobody log in as the role any more, and ends its sessions. */
export function lockRole(server: ServerRecord, entry: Entry<'tenant'>, role: string): Repair {
  return changeRole(server, entry, { role, detail: { login: false } }, async (session) => {
    await session.execute(`alter role ${quoteName(role)} nologin`)
    await endSessionsOfRole(session, role)
  })
}

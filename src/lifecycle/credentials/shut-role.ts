import type { Session } from '../session.ts'
import { quoteName } from '../sql-name.ts'
import { endSessionsOfRole } from '../tenant/fence.ts'

/**
 * Refuses the role's logins, forgets its password and ends its sessions; in this order, so that none begins after.
 * @returns how many ended.
 * @throws {PreconditionFailedError} where they go on.
 */
export async function shutRole(admin: Session, role: string): Promise<number> {
  await admin.execute(`alter role ${quoteName(role)} nologin password null`)
  return endSessionsOfRole(admin, role)
}

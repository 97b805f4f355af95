import type { Directory } from '../registry/directory.ts'
import type { ConfirmGone } from './pool/retirement.ts'

/**
 * As `confirmGone`, by the tenant's present route where that leads to the same server: the one that the backend
 * was opened by may be refused by now, as after a change of password.
 */
export function byPresentRoute(directory: Directory, confirmGone: ConfirmGone): ConfirmGone {
  return async (suspect, signal) => {
    const entry = await directory.tenant(suspect.record.id, signal).catch(() => undefined)
    const leadsThere = entry?.record.route.server === suspect.server.id
    return confirmGone(entry && leadsThere ? { ...suspect, record: entry.record } : suspect, signal)
  }
}

import { UnsupportedError } from '../errors.ts'
import type { Directory } from '../registry/directory.ts'
import { isSamePlace } from '../registry/server-record.ts'
import type { ConfirmGone } from './pool/retirement.ts'

/**
 * As `confirmGone`, by the tenant's present route where that leads to the same server: the one that the backend
 * was opened by may be refused by now, as after a change of password. At an address that the server's record has no
 * more, nobody may ever answer: that is a login which leads nowhere.
 */
export function byPresentRoute(directory: Directory, confirmGone: ConfirmGone): ConfirmGone {
  return async (suspect, signal) => {
    const { record, server } = suspect
    const tenant = await directory.tenant(record.id, signal).catch(() => undefined)
    // Where the registry does not say, as it was.
    const present = await directory.server(server.id, signal).then(
      (entry) => entry?.record,
      () => server,
    )
    if (!present || !isSamePlace(present, server)) {
      return confirmGone({ ...suspect, isFormer: true }, signal).catch(() => {
        throw new UnsupportedError(
          `looking after a backend of ${server.id}`,
          'its record leads elsewhere now',
        )
      })
    }
    const leadsThere = tenant?.record.route.server === server.id
    return confirmGone(tenant && leadsThere ? { ...suspect, record: tenant.record } : suspect, signal)
  }
}

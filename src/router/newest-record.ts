import type { ServerRecord } from '../registry/server-record.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { failureClass } from './breaker/failure-class.ts'
import type { OpenConnection } from './pool/opener.ts'

interface Newer {
  readonly record: TenantRecord
  readonly server: ServerRecord
}

/**
 * Opens as `open` does. Where the login is refused and the registry has another record by now, that one is tried: once.
 * @param reread what the registry has now; undefined where that is the record that was tried.
 * @param onFailure is told the error and the record that it came of, and throws.
 */
export function byNewestRecord(
  open: OpenConnection,
  reread: (record: TenantRecord, signal: AbortSignal) => Promise<Newer | undefined>,
  onFailure: (error: unknown, record: TenantRecord) => never,
): OpenConnection {
  return async (record, server, terms) => {
    try {
      return await open(record, server, terms)
    } catch (error) {
      const newer = failureClass(error) === 'auth' ? await reread(record, terms.signal) : undefined
      if (newer === undefined) return onFailure(error, record)
      return await open(newer.record, newer.server, terms).catch((again: unknown) =>
        onFailure(again, newer.record),
      )
    }
  }
}

import type { Connection, HearMessage, TypeProfile } from './connection.ts'
import type { DriverQuery } from './driver-query.ts'

export interface DispatchOptions {
  /** The cap in bytes on what the answer holds before its reader takes it: the whole of it, or a cursor's batch. */
  readonly maxBytes?: number
  /** Hears what the driver's result leaves out. */
  readonly hear?: HearMessage
}

/** A connection that can carry the query objects of postgres.js, too: what the `sql` handles need. */
export interface SqlConnection extends Connection {
  /**
   * Runs a query object that a user of postgres.js made and settles it, always, as postgres.js would, with
   * values by `profile`; a loss of the connection rejects it with our errors. COPY, cursors, `forEach` and
   * `describe` work. Resolves when the connection is free for the next statement; never rejects.
   */
  dispatch(query: DriverQuery, profile: TypeProfile, options?: DispatchOptions): Promise<void>
}

export function canDispatch(connection: Connection): connection is SqlConnection {
  return 'dispatch' in connection
}

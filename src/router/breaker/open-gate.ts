import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'

/** Asked before a connection is opened, and told what came of it. */
export interface OpenGate {
  /**
   * Why whoever needs a new connection is to be refused at once; undefined: it may be opened, if `waitMs` says so.
   * Connections that are open already go on. Asking changes nothing.
   */
  refusal(record: TenantRecord, server: ServerRecord): Error | undefined
  /** Milliseconds until an opening may begin on a server that had no place; 0: now. Whoever waits keeps waiting. */
  waitMs(server: ServerRecord): number
  /** An opening begins now, when the two above permit it. One of the attempt's methods must follow. */
  begin(record: TenantRecord, server: ServerRecord): OpenAttempt
}

export interface OpenAttempt {
  opened(): void
  failed(error: Error): OpenVerdict
}

/** What follows from a failed opening, for those who wait for it. */
export interface OpenVerdict {
  /** Milliseconds after which it is worth trying again while they wait; undefined: they are refused. */
  readonly retryInMs: number | undefined
  /** The server has no place beside the connections to it that we have. */
  readonly isServerFull: boolean
}

import type { LookupFunction } from 'node:net'
import type { Secret } from '../secret.ts'

/** Whose SQL runs: the team's own (library, service key), or a tenant's, which is hostile. */
export type Trust = 'application' | 'foreign'

/** Everything needed to open one backend. */
export interface ConnectionTarget {
  /** A host name, an address, or the folder of a Unix socket (begins with `/`). */
  readonly host: string
  readonly port: number
  /** How the host's name becomes addresses, anew for each connection. Default: the system's way. */
  readonly lookup?: LookupFunction
  readonly database: string
  readonly user: string
  /** Undefined where the server asks for none. */
  readonly password: Secret | undefined
  readonly tls: {
    readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full'
    readonly ca?: string
    readonly serverName?: string
    readonly clientCert?: { readonly certificate: string; readonly key: Secret }
  }
  /** Session settings for the startup packet, beside those that are always pinned. */
  readonly settings?: Readonly<Record<string, string>>
  /** Names the database at one state of its schema: connections with one key share what they learn of its types. */
  readonly typesKey?: string
  /** What stands at that address. Default: Postgres itself. `pooled-session.ts` has what a pooler changes. */
  readonly via?: Via
}

export type Via = 'direct' | 'session-pooler' | 'transaction-pooler'

/** How values travel for one handle: ORMs bring parsers and serializers of their own. */
export interface TypeProfile {
  /** OID → from Postgres text. An OID without one stays text. */
  readonly parsers: Readonly<Record<number, (text: string) => unknown>>
  /** OID → to Postgres text. */
  readonly serializers: Readonly<Record<number, (value: never) => unknown>>
  /**
   * Reads arrays of types that only the database knows, as of an enum. Without it they stay text.
   * @param element reads an element; undefined: it is text.
   */
  readonly arrayOf?: (
    element: ((text: string) => unknown) | undefined,
    delimiter: string,
  ) => (text: string) => unknown
  /**
   * Blanks appended to the statement text. A prepared statement keeps the parsers it was described with, so
   * each profile needs texts of its own (`reference`: postgres.js 3.4.9 keys statements by types and text).
   */
  readonly blanks: number
}

/** Told of an answer's bytes as they come from the socket. */
export interface AnswerMeter {
  /** @returns why the answer must end here; undefined while it may go on. */
  count(bytes: number): Error | undefined
}

/** What bounds an answer while it comes; past any of these the statement is cancelled. */
export interface AnswerCaps {
  /** Bytes on the socket, since the reader last took a batch where there are batches. */
  readonly maxBytes?: number
  readonly maxRows?: number
  /** For bounds that are shared with other answers. */
  readonly meter?: AnswerMeter
  /** Hears what a result leaves out. */
  readonly hear?: HearMessage
}

/**
 * Called with each RowDescription, CommandComplete, NoticeResponse and ErrorResponse of an answer before its reader
 * sees it. Of a statement that was described before there is no RowDescription. The body is only lent, and it may
 * not throw.
 */
export type HearMessage = (type: number, body: Buffer) => void

export interface Statement extends AnswerCaps {
  readonly text: string
  readonly params?: readonly unknown[]
  /** Rows as objects by column name (default), or as arrays. */
  readonly rowMode?: 'object' | 'array'
  /** Default: postgres.js's own types, with arrays. */
  readonly profile?: TypeProfile
  /** A named statement, kept for the next time. Default true; foreign SQL must say false. */
  readonly prepare?: boolean
  /** More than one statement in the text (simple protocol, no parameters). Default false: refused by the server. */
  readonly multiple?: boolean
}

export interface Field {
  readonly name: string
  /** Type OID. */
  readonly type: number
  readonly tableOid: number
  readonly columnNumber: number
}

/** What one statement answered. */
export interface StatementResult {
  readonly rows: readonly (Record<string, unknown> | unknown[])[]
  readonly fields: readonly Field[]
  /** The command tag without its counts, as `SELECT`. */
  readonly command: string
  readonly rowCount: number | null
}

/** What the last statements left behind, by evidence: transaction status and command tags. */
export type Residue = 'none' | 'session' | 'unusable'

/**
 * One backend: one socket, one driver client, one statement at a time. With `openConnection` this is the whole port:
 * `begin` is `run` of that text, and what others call reset is `clean`.
 * States: open and idle, open and busy, closing, closed. A second statement while busy is a defect and throws.
 * Whoever opened it owns it and must `close()` or `destroy()` it.
 */
export interface Connection {
  readonly pid: number
  /** Monotonic milliseconds (`performance.now()`). */
  readonly openedAt: number
  readonly isOpen: boolean
  /**
   * It has ended, and the server did not show an end of its own (the end of its stream, a FATAL error, or a reset
   * while nothing ran): its backend may be there still.
   */
  readonly mayLiveOn: boolean
  readonly isBusy: boolean
  /** When the statement that runs began (`performance.now()`); undefined while none does, or where that is not counted. */
  readonly busySince?: number | undefined
  /** From the last ReadyForQuery. */
  readonly transaction: 'idle' | 'open' | 'failed'
  readonly residue: Residue
  /** A statement was refused because it may only read here (25006). */
  readonly hasRefusedWrite: boolean
  /** What the server reports of its settings (`server_version`, `TimeZone`, …), kept current. */
  readonly parameters: Readonly<Record<string, string>>
  /** Distinct prepared statements so far. */
  readonly preparedStatements: number
  /** Settles when the socket has closed, whoever closed it. Never rejects. */
  readonly closed: Promise<void>

  /**
   * Runs one statement.
   * @throws {SqlError} what Postgres says of the statement; {ConnectionLostError} when it was not sent;
   * {OutcomeUnknownError} when the connection ended under it; {ResultTooLargeError} past `maxBytes` or `maxRows`;
   * what the meter returned.
   */
  run(statement: Statement): Promise<StatementResult>

  /**
   * Asks the server to end the running statement and waits until the cancel socket has closed. Idle: does
   * nothing. The statement rejects with `reason` where one is given. Never rejects.
   */
  cancel(reason?: Error): Promise<void>

  /**
   * Leaves nothing of the last user, or throws, and then the connection must be closed. Ends an open
   * transaction; application: only what the evidence asks for; foreign: always `DISCARD ALL`.
   */
  clean(trust: Trust): Promise<void>

  /** Says goodbye and waits for the server to close the socket; after 1 s closes it. Only while idle. */
  close(): Promise<void>

  /** Ends the socket now. A running statement rejects with `OutcomeUnknownError`. The backend may live on. */
  destroy(cause: Error): void
}

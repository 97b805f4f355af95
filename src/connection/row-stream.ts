import type { AnswerMeter, Connection, Field, Statement } from './connection.ts'
import type { DriverResult } from './driver.ts'
import type { DriverQuery } from './driver-query.ts'
import type { CommandTag } from './residue.ts'
import { fieldOf } from './statement-query.ts'

/** Rows that came together; never none. */
export interface RowBatch {
  readonly fields: readonly Field[]
  readonly rows: readonly (Record<string, unknown> | unknown[])[]
}

/** Takes a batch. The next is fetched when its promise resolves; where it rejects, the statement ends by that. */
export type TakeBatch = (batch: RowBatch) => Promise<void>

export interface StreamEnd {
  readonly fields: readonly Field[]
  /** The command tag without its counts. */
  readonly command: string
  readonly rowCount: number | null
}

/** A connection that can also hand on rows while they come. */
export interface StreamConnection extends Connection {
  /**
   * Runs one statement through a portal: rows are fetched in batches, as fast as `take` takes them. Between two
   * batches the server waits, and holds what the statement holds. Resolves when the connection is free for the
   * next statement, which may be before the last batch was taken.
   * @throws as `run`, and what `take` rejects with.
   */
  stream(statement: Statement, take: TakeBatch): Promise<StreamEnd>
}

export function canStream(connection: Connection): connection is StreamConnection {
  return 'stream' in connection
}

/** The first batch is small: nothing is known of its rows, and all of it is held at once. */
const FIRST_ROWS = 4
const MAX_ROWS = 1_000
const GROWTH = 8
/** Bytes on the socket that a batch aims at. */
const BATCH_BYTES = 131_072

/** Sizes the batches of one query by the bytes of those before. */
export class BatchReader implements AnswerMeter {
  readonly #query: DriverQuery
  readonly #take: TakeBatch
  readonly #outer: AnswerMeter | undefined
  #fields: readonly Field[] = []
  #rows = 0
  /** Since the last batch. */
  #bytes = 0
  #last: unknown

  /** Takes the query's cursor. */
  constructor(query: DriverQuery, take: TakeBatch, outer: AnswerMeter | undefined) {
    this.#query = query
    this.#take = take
    this.#outer = outer
    query.cursorRows = FIRST_ROWS
    // Parse boundary: what postgres.js calls it with.
    query.cursorFn = (rows) => this.#hand(rows as DriverResult)
  }

  count(bytes: number): Error | undefined {
    this.#bytes += bytes
    return this.#outer?.count(bytes)
  }

  /** @param last what the driver resolved the query with. */
  async end(last: unknown, tag: CommandTag): Promise<StreamEnd> {
    // The driver hands on no rows that their command does not count, as those of SHOW and EXPLAIN.
    if (last !== this.#last) await this.#hand(last as DriverResult) // a parse boundary, as above
    const { command } = tag
    // The tag counts what came with the last batch only.
    const rowCount = tag.rowCount === null ? null : Math.max(this.#rows, tag.rowCount)
    return { fields: this.#fields, command, rowCount }
  }

  async #hand(result: DriverResult): Promise<void> {
    this.#last = result
    // Later batches come without.
    if (result.columns) this.#fields = result.columns.map(fieldOf)
    this.#rows += result.length
    this.#size(result.length)
    if (result.length > 0) await this.#take({ fields: this.#fields, rows: result })
  }

  #size(rows: number): void {
    const fitting = Math.floor((BATCH_BYTES * rows) / Math.max(this.#bytes, 1))
    this.#bytes = 0
    this.#query.cursorRows = Math.max(1, Math.min(fitting, rows * GROWTH, MAX_ROWS))
  }
}

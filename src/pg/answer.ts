import type { FieldDef, QueryResult } from 'pg'
import Result from 'pg/lib/result.js'
import type { HearMessage } from '../connection/connection.ts'
import type { DriverColumn } from '../connection/driver.ts'
import type { DriverQuery } from '../connection/driver-query.ts'
import { Message } from '../connection/message-reader.ts'
import { readStorage } from '../connection/row-description.ts'
import { resultsOf } from '../connection/statement-query.ts'
import type { Answered } from './query-call.ts'
import { databaseError, notice } from './server-report.ts'

/** Whom a result asks how to read a type. */
export interface TypeParsers {
  getTypeParser(oid: number, format?: string): unknown
}

type Storage = ReturnType<typeof readStorage>

/** Of statements with a name, which are described once, by the columns that the driver keeps of them. */
const described = new WeakMap<readonly DriverColumn[], Storage>()

/** A command of the answer: what its rows were described with, if it has any, and its tag. */
interface Command {
  readonly storage: Storage | undefined
  readonly tag: string
}

/** The answer to one call of `query()`, put together of the driver's rows and the messages around them. */
export class Answer {
  readonly #commands: Command[] = []
  readonly #onNotice: (notice: object) => void
  #storage: Storage | undefined
  #error: Buffer | undefined

  constructor(onNotice: (notice: object) => void) {
    this.#onNotice = onNotice
  }

  readonly hear: HearMessage = (type, body) => {
    if (type === Message.rowDescription) this.#storage = readStorage(body)
    else if (type === Message.commandComplete) this.#complete(body)
    else if (type === Message.noticeResponse) this.#onNotice(notice(body))
    else this.#error = Buffer.from(body)
  }

  /** Whether such a command was among those that completed. */
  ran(command: string): boolean {
    return this.#commands.some(({ tag }) => tag === command)
  }

  /** What the server said last of why it failed, as pg has it. */
  get error(): Error | undefined {
    return this.#error && databaseError(this.#error)
  }

  /** Keeps what was told of a statement that will not be described again, however it ended. */
  remember(query: DriverQuery): void {
    const columns = query.statement?.columns
    const storage = this.#storage ?? this.#commands.at(-1)?.storage
    if (columns && storage) described.set(columns, storage)
  }

  /**
   * One result, or as many as the text had statements.
   * @param value what the driver resolved.
   */
  read(value: unknown, rowMode: string | undefined, types: TypeParsers): Answered {
    const withRows = resultsOf(value).filter(({ columns }) => columns)
    const results = this.#commands.map(({ storage, tag }) => {
      const result = new Result(rowMode, types)
      const rows = storage || this.#commands.length === 1 ? withRows.shift() : undefined
      if (rows?.columns) {
        result.addFields(fieldsOf(rows.columns, storage ?? described.get(rows.columns)))
        // As arrays of texts: that is what was asked for.
        for (const row of rows) result.addRow(result.parseRow(row as (string | null)[]))
      }
      result.addCommandComplete({ text: tag })
      return asPg(result)
    })
    const [first = asPg(new Result(rowMode, types))] = results
    return results.length > 1 ? results : first
  }

  #complete(body: Buffer): void {
    const tag = body.toString('latin1', 0, body.length - 1)
    this.#commands.push({ storage: this.#storage, tag })
    this.#storage = undefined
  }
}

function fieldsOf(columns: readonly DriverColumn[], storage: Storage | undefined): FieldDef[] {
  return columns.map((column, at) => ({
    name: column.name,
    tableID: column.table,
    columnID: storage?.[at]?.columnNumber ?? column.number,
    dataTypeID: column.type,
    dataTypeSize: storage?.[at]?.typeSize ?? -1,
    dataTypeModifier: storage?.[at]?.typeModifier ?? -1,
    format: 'text',
  }))
}

/** Its own types leave the nulls of a command without rows out. */
function asPg(result: Result): QueryResult {
  return result as unknown as QueryResult
}

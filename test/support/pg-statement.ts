import type pg from 'pg'
import { writeArray } from '../../src/connection/array-text.ts'
import type { Field, Statement, TypeProfile } from '../../src/connection/connection.ts'
import { mayBeArray } from '../../src/connection/own-types.ts'
import { InternalError, InvalidRequestError } from '../../src/errors.ts'

/** A statement that the server keeps by its name, with what it said of the parameters. */
export interface NamedStatement {
  readonly name: string
  types: readonly number[] | undefined
}

type Texts = readonly (string | null)[]

/** `pg`'s messages, as far as they are read here. */
type Connection = pg.Connection & {
  parse(message: { name: string; text: string; types: readonly number[] }): void
  describe(message: { type: 'S' | 'P'; name: string }): void
  bind(message: { statement: string; values: Texts }): void
  execute(message: { rows: number }): void
}

const UNNAMED: NamedStatement = { name: '', types: undefined }
const TIMESTAMPTZ = 1184
const BYTEA = 17
const BOOL = 16
const INT8 = 20

/**
 * One statement as a query object of `pg`'s own kind (what its cursors are, too): it writes the messages and
 * keeps the rows as text, so that values are read by OID and parameters are written by the types that the
 * server says.
 */
export class PgStatement {
  readonly text: string
  /** Of the last result. */
  fields: readonly Field[] = []
  rows: Texts[] = []
  error: Error | undefined
  readonly #statement: Statement
  readonly #profile: TypeProfile
  readonly #kept: NamedStatement
  #hasSynced = false
  #isNextResult = false
  #onTypes: ((message: { dataTypeIDs: number[] }) => void) | undefined

  /** @param kept undefined: an unnamed statement. One without types is parsed under its name. */
  constructor(statement: Statement, profile: TypeProfile, kept: NamedStatement = UNNAMED) {
    this.text = statement.text
    this.#statement = statement
    this.#profile = profile
    this.#kept = kept
  }

  /** Called by `pg`. */
  submit(anyConnection: pg.Connection): void {
    // Parse boundary: pg's published types lack half of its messages.
    const connection = anyConnection as Connection
    if (this.#statement.multiple) {
      connection.query(this.text)
      return
    }
    const { name, types } = this.#kept
    const params = this.#statement.params ?? []
    if (types) return this.#execute(connection, types)
    connection.parse({ name, text: this.text, types: params.map(typeOf) })
    connection.describe({ type: 'S', name })
    this.#onTypes = ({ dataTypeIDs }) => {
      this.#kept.types = name === '' ? undefined : dataTypeIDs
      this.#onTypes = undefined
      if (!this.#hasSynced) this.#execute(connection, dataTypeIDs)
    }
    connection.once('parameterDescription', this.#onTypes)
    // Without parameters there is nothing to wait for.
    if (params.length === 0) this.#execute(connection, [])
    else connection.flush()
  }

  #execute(connection: Connection, types: readonly number[]): void {
    this.#hasSynced = true
    try {
      const values = (this.#statement.params ?? []).map((value, index) => this.#written(value, types[index]))
      connection.bind({ statement: this.#kept.name, values })
      connection.describe({ type: 'P', name: '' })
      connection.execute({ rows: 0 })
    } catch (cause) {
      this.error = new InvalidRequestError('A parameter cannot be written as its type.', { cause })
    }
    connection.sync()
  }

  #written(value: unknown, type = 0): string | null {
    if (value === null) return null
    // Parse boundary: a serializer takes what its type allows, which only the caller's value shows.
    const write = this.#profile.serializers[type] as ((value: unknown) => unknown) | undefined
    if (write) return String(write(value))
    return asText(value)
  }

  handleRowDescription({ fields }: { fields: pg.FieldDef[] }): void {
    this.#begin()
    this.fields = fields.map(({ name, dataTypeID, tableID, columnID }) => ({
      name,
      type: dataTypeID,
      tableOid: tableID,
      columnNumber: columnID,
    }))
  }

  handleDataRow({ fields }: { fields: Texts }): void {
    this.rows.push(fields)
  }

  handleCommandComplete(): void {
    if (this.#isNextResult) this.#begin()
    this.#isNextResult = true
  }

  handleError(error: Error, connection: pg.Connection): void {
    this.error ??= error
    if (this.#onTypes) connection.off('parameterDescription', this.#onTypes)
    if (this.#hasSynced || this.#statement.multiple) return
    this.#hasSynced = true
    connection.sync()
  }

  handleReadyForQuery(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}

  /** Types of the columns whose values may be arrays. */
  typesOfArrays(): readonly number[] {
    const first = (index: number) => this.rows.find((row) => row[index] !== null)?.[index]
    return this.fields.flatMap(({ type }, index) => (mayBeArray(first(index)) ? [type] : []))
  }

  /** @throws {InternalError} where a parser does. */
  values(parserOf: (type: number) => ((text: string) => unknown) | undefined): StatementRows {
    const parsers = this.fields.map(({ type }) => parserOf(type))
    const read = (text: string | null, index: number) => {
      if (text === null) return null
      const parse = parsers[index]
      return parse ? parse(text) : text
    }
    try {
      const rows = this.rows.map((row) => row.map(read))
      if (this.#statement.rowMode === 'array') return rows
      return rows.map((row) => Object.fromEntries(row.map((value, i) => [this.fields[i]?.name ?? '', value])))
    } catch (cause) {
      throw new InternalError('a row could not be read', { cause })
    }
  }

  #begin(): void {
    this.#isNextResult = false
    this.fields = []
    this.rows = []
  }
}

export type StatementRows = (Record<string, unknown> | unknown[])[]

function asText(value: unknown): string {
  return Array.isArray(value) ? writeArray(value, String) : String(value)
}

/** What the value says of its type by itself; of the others the server is asked. */
function typeOf(value: unknown): number {
  if (value instanceof Date) return TIMESTAMPTZ
  if (value instanceof Uint8Array) return BYTEA
  if (typeof value === 'boolean') return BOOL
  return typeof value === 'bigint' ? INT8 : 0
}

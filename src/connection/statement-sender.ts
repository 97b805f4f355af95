import type { Backend } from './backend.ts'
import type { AnswerCaps, HearMessage, TypeProfile } from './connection.ts'
import { type DriverResult, PostgresError } from './driver.ts'
import { DriverQuery } from './driver-query.ts'
import { isOwn, mayBeArray, type OwnTypes } from './own-types.ts'
import type { SessionWatch } from './session-watch.ts'
import { isStalePlan } from './stale-plan.ts'
import { queryOf, resultsOf } from './statement-query.ts'
import { type LookupSession, lookUpTypes } from './type-lookup.ts'
import { driverProfile } from './type-profile.ts'

/** Reaches CommandComplete and does nothing else, which puts the driver's row counter back to zero. */
const NOTHING = 'select'
/** Of what we ask ourselves: the types of the most columns that there can be are a tenth of it. */
const COMMAND_CAPS: AnswerCaps = { maxBytes: 1_048_576 }

/**
 * Sends query objects to one backend and does what an exact answer takes beside them: statements of our own
 * before, in place of, and after a user's. Whoever calls sees to it that no two overlap.
 */
export class StatementSender implements LookupSession {
  readonly #backend: Backend
  readonly #types: OwnTypes
  #preparedStatements = 0

  /** @param types of the database that the backend is in. */
  constructor(backend: Backend, types: OwnTypes) {
    this.#backend = backend
    this.#types = types
  }

  get preparedStatements(): number {
    return this.#preparedStatements
  }

  get watch(): SessionWatch {
    return this.#backend.watch
  }

  /** As `Backend.send`. */
  async send(
    query: DriverQuery,
    profile: TypeProfile,
    caps: AnswerCaps,
    onStream?: (stream: unknown) => void,
  ): Promise<unknown> {
    const { watch } = this.#backend
    // postgres.js 3.4.9, issue 1119: rows of a statement that failed would be holes in the next one's.
    if (watch.hasRowsLeft && watch.transaction !== 'failed') await this.#resetRowCounter()
    const isHandedOn = Boolean(query.cursorFn) // which it loses when it is closed
    let value: unknown
    try {
      value = await this.#backend.send(query, profile, caps, onStream)
    } catch (error) {
      if (!this.#hasStalePlan(query, error)) throw error
      await this.#planAgain(query, profile, caps.hear)
      value = await this.#backend.send(query, profile, caps, onStream)
    } finally {
      this.#count(query)
    }
    if (watch.mayHaveChangedTypes) {
      watch.mayHaveChangedTypes = false
      this.#types.forget()
    }
    const own = isHandedOn ? [] : ownColumns(value, query, profile)
    if (own.length > 0) await this.#readOwnArrays(own, profile)
    return value
  }

  /** A text of our own; resolves the rows of its last statement. */
  async command(text: string): Promise<readonly unknown[]> {
    const query = queryOf({ text, multiple: true }, driverProfile)
    const results = resultsOf(await this.#backend.send(query, driverProfile, COMMAND_CAPS))
    return results.at(-1) ?? []
  }

  #count(query: DriverQuery): void {
    if (query.prepare && !query.prepared) this.#preparedStatements++
  }

  async #resetRowCounter(): Promise<void> {
    try {
      await this.command(NOTHING)
    } catch (cause) {
      this.#backend.destroy(cause instanceof Error ? cause : new Error(String(cause)))
      throw this.#backend.lost()
    }
  }

  /** The driver prepares again by itself where a result's type has changed, and where the name is not known. */
  #hasStalePlan(query: DriverQuery, error: unknown): boolean {
    if (!query.prepared || !(error instanceof PostgresError)) return false
    return isStalePlan(error.code, this.#backend.watch)
  }

  async #planAgain(query: DriverQuery, profile: TypeProfile, hear: HearMessage | undefined): Promise<void> {
    const description = query.description()
    try {
      await this.#backend.send(description, profile, hear ? { hear } : {})
    } finally {
      this.#count(description)
    }
    query.forgetParameters()
  }

  async #readOwnArrays(columns: readonly OwnColumn[], profile: TypeProfile): Promise<void> {
    const { watch } = this.#backend
    // The statements of a look-up are no part of the user's.
    const { tag, lasting } = watch
    await lookUpTypes(
      this.#types,
      columns.map(({ type }) => type),
      this,
    )
    watch.tag = tag
    watch.lasting = lasting
    for (const { type, key, rows } of columns) {
      const parse = this.#types.parserOf(type, profile)
      if (parse && !readColumn(rows, key, parse)) this.#types.forget()
    }
  }
}

interface OwnColumn {
  readonly type: number
  readonly key: string | number
  readonly rows: DriverResult
}

/** Columns that may be arrays, whose values are text because the driver does not know their types. Of batches and streams there are none. */
function ownColumns(value: unknown, query: DriverQuery, profile: TypeProfile): readonly OwnColumn[] {
  if (query.forEachFn || query.streaming || query.onlyDescribe || query.isRaw === true) return []
  if (!profile.arrayOf) return [] // all of them stay text
  const found: OwnColumn[] = []
  for (const rows of resultsOf(value)) {
    const columns = rows.columns ?? []
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]
      if (!column || !isOwn(column.type) || profile.parsers[column.type]) continue
      // Of columns with one name an object has the last.
      const isHidden = !query.isRaw && columns.some(({ name }, at) => at > index && name === column.name)
      const own = { type: column.type, key: query.isRaw ? index : column.name, rows }
      if (!isHidden && mayBeArray(firstText(own))) found.push(own)
    }
  }
  return found
}

function firstText({ key, rows }: OwnColumn): unknown {
  for (const row of rows) {
    // Parse boundary: rows are arrays where the key is a number, else objects.
    const text = (row as Record<string | number, unknown>)[key]
    if (text !== null) return text
  }
  return null
}

/** @returns false at a text that is none of that type; it stays, with those after it. */
function readColumn(rows: DriverResult, key: string | number, parse: (text: string) => unknown): boolean {
  try {
    for (const row of rows) {
      // Parse boundary: as above.
      const values = row as Record<string | number, unknown>
      const text = values[key]
      if (typeof text === 'string') values[key] = parse(text)
    }
    return true
  } catch {
    return false
  }
}

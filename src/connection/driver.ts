import postgres from 'postgres'
import { writeArray } from './array-text.ts'
import type { TypeProfile } from './connection.ts'
import type { DriverSocket } from './driver-socket.ts'

/**
 * The only file that knows the inside of postgres.js, pinned to exactly 3.4.9. Each thing relied upon has a
 * test of its own in `test/connection/driver-contract.test.ts`; a new version is taken when they pass.
 */

export const { PostgresError } = postgres

/** What postgres.js keeps on a query. Fields are undocumented; the names are its own. */
export interface QueryInternals extends Promise<unknown> {
  strings: readonly string[]
  args: readonly unknown[]
  handler: (query: QueryInternals) => unknown
  canceller: ((query: QueryInternals) => unknown) | null
  readonly options: QueryOptions
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  /** Made from a tagged template. */
  readonly tagged: boolean
  readonly origin: string
  /** True once something asked for the result: queries are lazy. */
  executed: boolean
  /** True while the driver runs it. */
  active: boolean
  cancelled: unknown
  cursorRows?: number
  cursorFn?: (rows: unknown) => unknown
  forEachFn?: (row: unknown, result: unknown) => unknown
  isRaw?: boolean | 'values'
  /** COPY: the first resolve is the stream, the second the end. */
  streaming?: boolean
  onlyDescribe?: boolean
  /** After dispatch: a named statement; one that this connection knew already. */
  prepare?: boolean
  prepared?: boolean
  /** After dispatch. A statement that is known keeps the columns it was described with, the same array each time. */
  readonly statement?: { readonly columns?: readonly DriverColumn[] | null } | null
  /** Of the statement as it was sent: texts, once it was. */
  parameters?: unknown
  execute(): this
  cancel(): unknown
  simple(): this
  readable(): Promise<QueryInternals>
  writable(): Promise<QueryInternals>
  cursor(rows?: unknown, fn?: unknown): unknown
  describe(): this
  forEach(fn: (row: unknown, result: unknown) => unknown): this
  raw(): this
  values(): this
}

export interface QueryOptions {
  prepare?: boolean
  simple?: boolean
}

export interface QueryConstructor {
  new (
    strings: readonly string[],
    args: readonly unknown[],
    handler: (query: QueryInternals) => unknown,
    canceller: ((query: QueryInternals) => unknown) | null,
    options?: QueryOptions,
  ): QueryInternals
}

export interface ParameterConstructor {
  /** @param arrayOf element OID → array OID, for a value that is an array */
  new (
    value: unknown,
    type: number,
    arrayOf?: Readonly<Record<number, number>>,
  ): { readonly value: unknown; readonly type: number }
}

/** A driver array with properties; what a query resolves to. */
export interface DriverResult extends Array<Record<string, unknown> | unknown[]> {
  readonly count: number | null
  readonly command: string | null
  readonly columns: readonly DriverColumn[] | null | undefined
}

export interface DriverColumn {
  readonly name: string
  readonly type: number
  readonly table: number
  readonly number: number
}

type Handlers = Readonly<Record<number, (value: never) => unknown>>

interface ParsedOptions {
  readonly parsers: Readonly<Record<number, (text: string) => unknown>>
  readonly serializers: Handlers
  readonly transform: unknown
  readonly [option: string]: unknown
}

interface Template {
  readonly options: ParsedOptions
  readonly CLOSE: object
  unsafe(text: string): QueryInternals
  typed(value: unknown, type: number): object
  (first: string | object): object
}

/** Every option is named, since the driver takes what is not from the environment (`PGMAX`, `PGSSL`, …). */
const template = postgres({
  host: 'template.invalid',
  port: 5432,
  path: undefined,
  database: 'template',
  user: 'template',
  pass: () => '',
  max: 1,
  max_pipeline: 0,
  ssl: false,
  sslnegotiation: 'postgres',
  idle_timeout: 0,
  connect_timeout: 0,
  max_lifetime: 0,
  backoff: false,
  keep_alive: 0,
  prepare: true,
  debug: false,
  fetch_types: false,
  publications: 'none',
  target_session_attrs: 'primary',
  connection: { application_name: 'tenantry' },
  onnotice: () => {},
  socket: refuseSocket,
  // A parse boundary: half of these are not in the driver's published types.
} as postgres.Options<Record<string, never>>) as unknown as Template

function refuseSocket(): never {
  throw new Error('the template instance never connects')
}

/** Never sent: postgres.js makes the objects of its instances with these, and asks for `instanceof` them. */
const lazyQuery = template.unsafe('')
// Parse boundary: `constructor` is typed Function.
export const Query = lazyQuery.constructor as QueryConstructor
export const Builder = template({}).constructor as new (first: unknown, rest: unknown[]) => object
export const Identifier = template('x').constructor as new (name: string) => { readonly value: string }
export const Parameter = template.typed('', 25).constructor as ParameterConstructor

/** What a cursor's callback returns to end the cursor. */
export const CLOSE: object = template.CLOSE
export const stockParsers = template.options.parsers
export const stockSerializers = template.options.serializers
/** The options that builders read (`transform`). */
export const stockTransform: unknown = template.options.transform

export interface DriverClientOptions {
  readonly user: string
  readonly database: string
  /** Session settings for the startup packet; falsy ones would be dropped, so texts only. */
  readonly settings: Readonly<Record<string, string>>
  readonly onNotification?: (channel: string, payload: string) => void
}

/**
 * One postgres.js instance used as a protocol engine for exactly one socket: it never connects, pools,
 * reconnects, times out or ends anything by itself.
 */
export class DriverClient {
  readonly socket: DriverSocket
  /** Of the statement that runs: the driver's parsers and serializers are views on it. */
  profile: TypeProfile | undefined
  /** What the server reports of its settings; the driver keeps it current. */
  readonly parameters: Readonly<Record<string, string>> = {}
  readonly #handler: (query: unknown) => void

  /** Sends the startup packet as soon as `socket` is attached. `onFailure` hears of a login that failed. */
  constructor(options: DriverClientOptions, socket: DriverSocket, onFailure: (error: unknown) => void) {
    this.socket = socket
    const client = postgres(this.#parsedOptions(options) as postgres.Options<Record<string, never>>)
    // Parse boundary: `handler` is where the instance takes its queries in; every query of it carries it.
    this.#handler = (client.unsafe('') as unknown as QueryInternals).handler as (query: unknown) => void
    // What the driver's own `reserve()` queues: it makes the instance connect and sends no statement.
    this.#handler({ reserve: () => {}, reject: onFailure })
  }

  /** After the login: puts the connection where queries are taken from, which nothing but `drain` does then. */
  opened(): void {
    this.socket.drained()
  }

  submit(query: QueryInternals): void {
    this.#handler(query)
  }

  /** With `shared` present, the driver takes the object as it is and parses nothing. */
  #parsedOptions(options: DriverClientOptions): Record<string, unknown> {
    let sockets = 0
    return {
      ...template.options,
      no_subscribe: true,
      target_session_attrs: null,
      user: options.user,
      database: options.database,
      connection: options.settings,
      onnotify: options.onNotification,
      socket: () => {
        if (sockets++ > 0) throw new Error('a connection has one socket')
        return this.socket
      },
      parameters: this.parameters,
      shared: { retries: 0, typeArrayMap: {} },
      parsers: new Proxy({}, { get: (_, oid) => this.profile?.parsers[Number(oid)] }),
      serializers: new Proxy(
        {},
        { has: () => true, get: (_, oid) => this.profile?.serializers[Number(oid)] ?? asText },
      ),
    }
  }
}

/** Types that the profile does not know, as a database's own: an array still goes as an array literal. */
function asText(value: unknown): string {
  return Array.isArray(value) ? writeArray(value, String) : String(value)
}

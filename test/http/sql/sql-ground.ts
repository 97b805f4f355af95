import { type NeonQueryFunction, neon, neonConfig } from '@neondatabase/serverless'
import pg from 'pg'
import type { Listener } from '../../../src/http/listener.ts'
import { type HttpWorld, type HttpWorldOptions, startHttpWorld } from '../http-world.ts'

export const DOMAIN = 'db.example.test'
/** The client's own way from a host to its endpoint, which is global as all its settings. */
export const CLIENT_ENDPOINT = neonConfig.fetchEndpoint

/** What the cases need in the database of acme, beside its notes. */
const SCHEMA = `
  create type mood as enum ('sad', 'happy');
  create domain email as text check (value like '%@%');
  create table goods (code varchar(10) primary key, price numeric(8,2) not null check (price >= 0), note text);
  create table orders (id int primary key,
    code varchar(10) constraint of_a_good references goods deferrable initially deferred);
  create function fails() returns int language plpgsql as $$ begin return 1/0; end $$;
  grant all on goods, orders to public`

/** Headers that the client always sends. */
const RAW = { 'neon-raw-text-output': 'true', 'neon-array-mode': 'true' }

export interface SqlAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape is what is being tested
  readonly json: any
}

/** What a case of the protocol is tried against: the service, or something before it that does a thing wrong. */
export interface SqlEndpoint {
  readonly connectionString: string
  /** The real client. */
  readonly sql: NeonQueryFunction<false, false>
  readonly full: NeonQueryFunction<false, true>
  /** Without the client, with its headers unless others are given. */
  readonly post: (body: unknown, headers?: Record<string, string>) => Promise<SqlAnswer>
  /** Postgres itself, as the same role in the same database. */
  readonly pg: pg.Client
  readonly http: HttpWorld
}

/** How a request travels to the service. */
export type Hop = (url: string, init: RequestInit) => Promise<Response>

/** A service with the tenants acme and globex on a port, and the client pointed at it. One at a time: the client's settings are global. */
export class SqlGround implements AsyncDisposable {
  readonly http: HttpWorld
  readonly url: string
  readonly key: string
  readonly #listener: Listener
  readonly #pg: pg.Client
  /** Host of a connection string → how its requests travel. */
  readonly #hops = new Map<string, Hop>()

  private constructor(http: HttpWorld, listener: Listener, client: pg.Client, key: string) {
    this.http = http
    this.#listener = listener
    this.#pg = client
    this.key = key
    this.url = `${listener.url}/sql`
  }

  static async open(options: HttpWorldOptions = {}): Promise<SqlGround> {
    const http = await startHttpWorld(['acme', 'globex'], options)
    await http.world.execute('acme', SCHEMA)
    const listener = await http.listen(200)
    const { database, role, password } = http.world.placeOf('acme')
    const client = new pg.Client(http.world.server.dsn(database, role, password))
    await client.connect()
    await client.query("set timezone = 'UTC'")
    const ground = new SqlGround(http, listener, client, await http.tenantKey('acme'))
    neonConfig.fetchEndpoint = (host) => `http://${host}/sql`
    neonConfig.fetchFunction = (url: string, init: RequestInit) => ground.#fetch(url, init)
    return ground
  }

  /** @param hop what stands before the service; default: nothing. */
  endpoint(host = `acme.${DOMAIN}`, key = this.key, hop: Hop = fetch): SqlEndpoint {
    this.#hops.set(host, hop)
    const connectionString = connectionStringOf(key, host)
    return {
      connectionString,
      sql: neon(connectionString),
      full: neon(connectionString, { fullResults: true }),
      post: (body, headers = RAW) =>
        this.#post(hop, body, { 'neon-connection-string': connectionString, ...headers }),
      pg: this.#pg,
      http: this.http,
    }
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const hop = this.#hops.get(new URL(url).hostname)
    if (!hop) throw new Error(`nobody answers at ${url}`)
    const response = await hop(this.url, init)
    this.http.keep(await response.clone().text())
    return response
  }

  async #post(hop: Hop, body: unknown, headers: Record<string, string>): Promise<SqlAnswer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return this.answerOf(await hop(this.url, { method: 'POST', headers, body: text }))
  }

  async answerOf(response: Response): Promise<SqlAnswer> {
    const text = await response.text()
    this.http.keep(text)
    const isJson = response.headers.get('content-type')?.includes('json')
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    neonConfig.fetchFunction = undefined
    neonConfig.fetchEndpoint = CLIENT_ENDPOINT
    await this.#pg.end()
    await this.#listener.stop(2_000)
    await this.http[Symbol.asyncDispose]()
  }
}

/** `tk_<id>_<secret>`, where the secret may hold underscores. */
export function connectionStringOf(key: string, host: string): string {
  const [user, password] = [key.slice(0, 15), key.slice(16)]
  return `postgresql://${user}:${password}@${host}/anything`
}

import { AssertionError } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { describeLeaks, type Sighting } from './leak-report.ts'
import { findTraces, type Ground, type Trace } from './leak-traces.ts'

/** A whole app: `app.fetch` of Hono and others, or a function that asks one over HTTP. */
export type TestedApp =
  | ((request: Request) => Response | Promise<Response>)
  | { fetch(request: Request): Response | Promise<Response> }

/** A request to the app under test. */
export interface LeakRequest {
  /** With its query, as `/projects?sort=name`. */
  readonly path: string
  /** Default: `POST` with a body, else `GET`. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
}

/** How to work with the app under test, as one tenant or another. */
export interface LeakTest {
  /** Headers by which a request is one of that tenant. */
  readonly as: (
    tenant: string,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  /** A request that stores the marker, a word of some twenty letters and digits, where `read` shows it. */
  readonly write: (marker: string) => LeakRequest
  /** Requests, or paths to get, that show what the tenant has stored. */
  readonly read: readonly (string | LeakRequest)[]
  /** Its databases are searched, too: for rows of the wrong tenant, and to tell where a leak comes from. */
  readonly tenancy?: Ground
  /** Default: the first two of the tenancy. */
  readonly tenants?: readonly [string, string]
  /** What stands before each path, or what does for a tenant. Default: `http://localhost`. */
  readonly origin?: string | ((tenant: string) => string)
}

/** Writes and reads of both tenants that are under way at once, and how often. */
const AT_ONCE = 8
const ROUNDS = 6

/**
 * Works with the app as two tenants, alone, in turns and both at once, and fails where one is shown what the other
 * stored: in an answer, in its headers, or in its database. Throws an `AssertionError`, so that any test runner takes it.
 * @throws {AssertionError} which names the request, whose data it showed to whom, and where that was found.
 */
export async function assertNoLeak(app: TestedApp, test: LeakTest): Promise<void> {
  const [one, other] = test.tenants ?? test.tenancy?.tenants ?? []
  if (one === undefined || other === undefined || one === other) {
    throw new AssertionError({ message: 'A leak shows between two tenants: name two in `tenants`.' })
  }
  const run = new LeakRun(app, test)
  for (const tenant of [one, other]) await run.write(tenant)
  // In turns, twice: a cache that the first fills is read by the second, and the other way round.
  for (const tenant of [one, other, one, other]) await run.readAll(tenant, 'one after the other')
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, at) => {
        const tenant = at % 2 === 0 ? one : other
        await run.write(tenant)
        await run.readAll(tenant, 'at the same time')
      }),
    )
  }
  const { tenancy } = test
  const traces = tenancy ? await findTraces(tenancy, [one, other], run.prefix) : undefined
  run.judge([one, other], traces)
}

class LeakRun {
  /** All markers of this run begin so. */
  readonly prefix = `leak${randomBytes(5).toString('hex')}`
  readonly #app: (request: Request) => Response | Promise<Response>
  readonly #test: LeakTest
  readonly #ownerOf = new Map<string, string>()
  readonly #sightings: Sighting[] = []

  constructor(app: TestedApp, test: LeakTest) {
    this.#app = typeof app === 'function' ? app : (request) => app.fetch(request)
    this.#test = test
  }

  async write(tenant: string): Promise<void> {
    const marker = `${this.prefix}x${this.#ownerOf.size}x`
    this.#ownerOf.set(marker, tenant)
    await this.#ask(tenant, this.#test.write(marker), 'written')
  }

  async readAll(tenant: string, when: Sighting['when']): Promise<void> {
    for (const read of this.#test.read) {
      await this.#ask(tenant, typeof read === 'string' ? { path: read } : read, when)
    }
  }

  async #ask(tenant: string, wanted: LeakRequest, when: Sighting['when']): Promise<void> {
    const { path, json, method = json === undefined ? 'GET' : 'POST' } = wanted
    const { origin = 'http://localhost' } = this.#test
    const request = new Request(`${typeof origin === 'string' ? origin : origin(tenant)}${path}`, {
      method,
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...wanted.headers,
        ...(await this.#test.as(tenant)),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    const response = await this.#app(request)
    const text = `${[...response.headers].join('\n')}\n${await response.text()}`
    const what = `${method} ${path}`
    for (const marker of this.#markersIn(text)) {
      const owner = this.#ownerOf.get(marker)
      if (owner !== undefined) this.#sightings.push({ what, as: tenant, owner, marker, when })
    }
    if (response.ok) return
    const message = `${what} as ${tenant} answered ${response.status}: the leak test needs requests that work.\n${excerpt(text)}`
    throw new AssertionError({ message })
  }

  #markersIn(text: string): Set<string> {
    return new Set(text.match(new RegExp(`${this.prefix}x\\d+x`, 'g')))
  }

  /** @throws {AssertionError} for what crossed, and for a test that could not have seen it. */
  judge(tenants: readonly string[], traces: readonly Trace[] | undefined): void {
    const owned = traces?.map((trace) => ({ ...trace, owner: this.#ownerOf.get(trace.marker) ?? '' }))
    const report = describeLeaks(this.#sightings, owned)
    if (report !== undefined) throw new AssertionError({ message: report })
    const reads = this.#sightings.filter(({ when }) => when !== 'written')
    for (const tenant of tenants) {
      if (reads.some(({ as }) => as === tenant)) continue
      const message = `No request of \`read\` showed ${tenant} what it had stored itself: this test would see no leak.`
      throw new AssertionError({ message })
    }
  }
}

function excerpt(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text
}

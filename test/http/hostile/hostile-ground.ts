import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import {
  type Answer,
  type Ask,
  BASE_DOMAIN,
  type HttpWorld,
  type HttpWorldOptions,
  startHttpWorld,
} from '../http-world.ts'
import { neonHeaders } from '../neon-headers.ts'
import { SESSION_STATE, type SessionState } from './session-state.ts'

/** Whose key it is: the tenant's own, whose SQL is foreign, or the team's. */
export type KeyKind = 'tenant' | 'service'

/** A way in that a key has: one statement, as a request of its own. */
export type DoorName = 'query' | 'transaction' | 'sql' | 'sql batch' | 'lines'
export const DOORS: readonly DoorName[] = ['query', 'transaction', 'sql', 'sql batch', 'lines']
/** One for each way that statements are run. */
export const MAIN_DOORS: readonly DoorName[] = ['query', 'transaction', 'sql']

export interface Door {
  ask(sql: string, params?: readonly unknown[], signal?: AbortSignal): Promise<Answer>
  /** Rows of an answer that has some, as objects. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape is what is being tested
  rows(answer: Answer): any
}

/** Two tenants over HTTP: `evil`, which attacks by its own key, and `good`, which works all the time. */
export class HostileGround implements AsyncDisposable {
  readonly http: HttpWorld
  readonly tenantKey: string
  readonly serviceKey: string
  readonly neighbour: Neighbour

  private constructor(http: HttpWorld, keys: { tenant: string; service: string; neighbour: string }) {
    this.http = http
    this.tenantKey = keys.tenant
    this.serviceKey = keys.service
    this.neighbour = new Neighbour(http, keys.neighbour)
  }

  static async start(options: HttpWorldOptions = {}): Promise<HostileGround> {
    const world = { maxConnections: 8, maxConnectionsPerTenant: 2, ...options.world }
    const http = await startHttpWorld(['evil', 'good'], { ...options, world })
    return new HostileGround(http, {
      tenant: await http.tenantKey('evil'),
      service: await http.serviceKey(),
      neighbour: await http.tenantKey('good'),
    })
  }

  /** @param key of that kind; default: the ground's own. */
  door(name: DoorName, kind: KeyKind = 'tenant', key?: string): Door {
    return this.#door(name, kind, key ?? (kind === 'tenant' ? this.tenantKey : this.serviceKey))
  }

  /** A request to evil. */
  send(path: string, body: unknown, key: string, ask: Ask = {}): Promise<Answer> {
    if (path === '/sql') return this.http.ask(path, { ...ask, headers: neonHeaders(key, 'evil'), body })
    return this.http.ask(path, { ...ask, key, body })
  }

  #door(name: DoorName, kind: KeyKind, key: string): Door {
    const headers = kind === 'tenant' ? {} : { 'x-tenant-id': 'evil' }
    const send = (path: string, body: unknown, signal?: AbortSignal) =>
      this.send(path, body, key, { headers, ...(signal ? { signal } : {}) })
    switch (name) {
      case 'query':
        return {
          ask: (sql, params = [], signal) => send('/v1/query', { sql, params }, signal),
          rows: ({ json }) => json.rows,
        }
      case 'lines':
        return {
          ask: (sql, params = [], signal) => send('/v1/query', { sql, params, format: 'ndjson' }, signal),
          rows: ({ text }) =>
            text
              .split('\n')
              .slice(0, -2)
              .map((line) => JSON.parse(line)),
        }
      case 'transaction':
        return {
          ask: (sql, params = [], signal) =>
            send('/v1/transaction', { statements: [{ sql, params }] }, signal),
          rows: ({ json }) => json.results.at(-1).rows,
        }
      case 'sql':
        return {
          ask: (query, params = [], signal) => send('/sql', { query, params }, signal),
          rows: ({ json }) => json.rows,
        }
      case 'sql batch':
        return {
          ask: (query, params = [], signal) => send('/sql', { queries: [{ query, params }] }, signal),
          rows: ({ json }) => json.results.at(-1).rows,
        }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.neighbour.report()
    await this.http[Symbol.asyncDispose]()
  }
}

/** @throws where the answer is not 200. */
export async function stateBy(door: Door): Promise<SessionState> {
  const answer = await door.ask(SESSION_STATE)
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`)
  return door.rows(answer)[0]
}

/** What the neighbour is to say at the end. */
export const UNDISTURBED = { faults: [], isAnswered: true, isQuick: true, ended: [] }

/** Milliseconds: far above what its select takes, far below what attacks last. */
const QUICK_MS = 2_000
/** Between its requests: it is to be there, not to take the machine. */
const BREATH_MS = 50

/** Another tenant, that asks for its rows all the time, by its own key. */
export class Neighbour {
  readonly #http: HttpWorld
  readonly #key: string
  readonly #working: Promise<void>
  readonly #faults: string[] = []
  /** Of its connections: why they were. */
  readonly #ended: string[] = []
  #isOver = false
  #answers = 0
  #slowestMs = 0

  constructor(http: HttpWorld, key: string) {
    this.#http = http
    this.#key = key
    http.world.router.on('closed', ({ tenant, reason }) => {
      if (tenant === 'good' && !this.#isOver) this.#ended.push(reason)
    })
    this.#working = this.#work()
  }

  /** Ends the work; see `UNDISTURBED`. */
  async report() {
    this.#isOver = true
    await this.#working
    return {
      faults: this.#faults,
      isAnswered: this.#answers > 0,
      isQuick: this.#slowestMs < QUICK_MS,
      ended: this.#ended,
    }
  }

  async #work(): Promise<void> {
    const sql = 'select distinct tenant from notes'
    while (!this.#isOver) {
      const began = performance.now()
      const { status, json, text } = await this.#http.ask('/v1/query', {
        key: this.#key,
        body: { sql },
        host: `good.${BASE_DOMAIN}`,
      })
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - began)
      if (status === 200 && json.rows.length === 1 && json.rows[0].tenant === 'good') this.#answers++
      else this.#faults.push(text)
      await delay(BREATH_MS)
    }
  }
}

/** The next request of the tenant's key finds the session of a fresh connection. */
export async function expectCleanRoom(door: Door, fresh: SessionState, what: string): Promise<number> {
  const { pid, state } = await stateBy(door)
  expect({ what, state }).toEqual({ what, state: fresh.state })
  return pid
}

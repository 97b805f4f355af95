import { z } from 'zod'
import { PreconditionFailedError, ServerUnavailableError } from '../errors.ts'
import type { Secret } from '../secret.ts'

const Tenant = z.object({ id: z.string(), database: z.string() })
export type ServedTenant = z.output<typeof Tenant>

const Made = z.object({ tenant: Tenant })
const Page = z.object({ tenants: z.array(Tenant), next: z.string().nullable() })
/** A histogram of the time that opening took; its count is how many were opened. */
const OPENED = /^tenantry_pool_create_seconds_count(?:\{.*\})? (\d+)$/gm

const TIMEOUT_MS = 60_000
const PAGE = 1_000

/** What a load run asks the operator plane: which tenants there are and how many connections were opened. */
export class OperatorPlane {
  readonly #url: string
  readonly #key: Secret

  constructor(url: string, key: Secret) {
    this.#url = url
    this.#key = key
  }

  /** Active tenants in order of id, `limit` at most. */
  async tenants(limit: number): Promise<ServedTenant[]> {
    const found: ServedTenant[] = []
    for (let cursor = ''; ; ) {
      const query = new URLSearchParams({ status: 'active', limit: String(PAGE), ...(cursor && { cursor }) })
      const page = await this.#ask(Page, 'GET', `/v1/tenants?${query.toString()}`)
      found.push(...page.tenants)
      if (page.next === null || found.length >= limit) return found.slice(0, limit)
      cursor = page.next
    }
  }

  /** Makes a tenant with a database of its own; one that exists is left as it is. */
  async provision(id: string): Promise<ServedTenant> {
    return (await this.#ask(Made, 'POST', '/v1/tenants', { id })).tenant
  }

  /** Connections that the router opened since it started. */
  async opens(): Promise<number> {
    const text = await (await this.#fetch('GET', '/metrics')).text()
    return [...text.matchAll(OPENED)].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  async #ask<T>(schema: z.ZodType<T>, method: string, path: string, body?: object): Promise<T> {
    const response = await this.#fetch(method, path, body)
    const answer: unknown = await response.json().catch(() => undefined)
    const parsed = schema.safeParse(answer)
    if (response.ok && parsed.success) return parsed.data
    throw new PreconditionFailedError(
      `The operator plane answered ${method} ${path} with ${response.status}: ${JSON.stringify(answer)}`,
    )
  }

  #fetch(method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#key.reveal()}`, 'content-type': 'application/json' }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const init = { method, headers, signal, ...(body && { body: JSON.stringify(body) }) }
    return fetch(new URL(path, this.#url), init).catch((cause: unknown) => {
      throw new ServerUnavailableError(`the operator plane at ${this.#url} does not answer`, { cause })
    })
  }
}

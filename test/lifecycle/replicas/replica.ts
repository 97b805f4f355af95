import { vi } from 'vitest'
import { TenantryError } from '../../../src/errors.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { announcing } from '../../../src/registry/announcing-registry.ts'
import { Directory } from '../../../src/registry/directory.ts'
import { RouterOptions } from '../../../src/router/options.ts'
import { RouteOpener } from '../../../src/router/route-opener.ts'
import { TenantRouter } from '../../../src/router/tenant-router.ts'
import { type CuttableRegistry, cuttable } from './cuttable-registry.ts'

/** What the requests write into: each its number. */
export const SCHEMA = 'create table ran (no bigint)'

/** Numbers that rise over all replicas in the order in which requests begin. */
export class Numbers {
  last = 0

  next(): number {
    this.last += 1
    return this.last
  }
}

/** One process of several over a registry: a router, and workers that write their number into each tenant in turn. */
export class Replica implements AsyncDisposable {
  readonly router: TenantRouter
  /** As its verbs have them: it knows at once of what it changes itself. */
  readonly parts: LifecycleParts
  readonly link: CuttableRegistry
  readonly #directory: Directory
  readonly #numbers: Numbers
  readonly #workers: Promise<void>[]
  /** How often each answer came to requests for a tenant that began since the last `forget`. */
  #answers = new Map<string, Map<string, number>>()
  #isOver = false

  constructor(parts: LifecycleParts, tenants: readonly string[], numbers: Numbers, workers: number) {
    this.link = cuttable(parts.registry)
    this.#directory = new Directory(this.link.registry)
    const registry = announcing(this.link.registry, (change) => this.#directory.invalidate(change))
    this.parts = { ...parts, registry }
    const opener = new RouteOpener(parts.sealer, parts.registry.id, RouterOptions.parse({}))
    const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
    this.router = new TenantRouter(this.#directory, backends, { maxConnections: 8 })
    this.#numbers = numbers
    this.#workers = Array.from({ length: workers }, (_, at) => this.#work(tenants, at))
  }

  /** Counts only requests that begin from now on. */
  forget(): void {
    this.#answers = new Map()
  }

  answersOf(tenant: string): string[] {
    return [...(this.#answers.get(tenant)?.keys() ?? [])].toSorted()
  }

  /** Forgets, and resolves when so many requests for each tenant that began afterwards had an answer. */
  async goOn(tenants: readonly string[], requests: number): Promise<void> {
    this.forget()
    const missing = () => tenants.filter((tenant) => this.#countOf(tenant) < requests)
    await vi.waitFor(
      () => {
        if (missing().length > 0) throw new Error(`no answers for ${missing().join(', ')}`)
      },
      { timeout: 60_000, interval: 5 },
    )
  }

  /** What becomes of one request. */
  ask(tenant: string): Promise<string> {
    const no = this.#numbers.next()
    return this.router.sql(tenant)`insert into ran values (${no})`.then(
      () => 'ran',
      (error: unknown) => (error instanceof TenantryError ? error.code : String(error)),
    )
  }

  async #work(tenants: readonly string[], first: number): Promise<void> {
    for (let turn = first; !this.#isOver; turn += 1) {
      const tenant = tenants[turn % tenants.length] ?? ''
      const answers = this.#answers
      const answer = await this.ask(tenant)
      const counts = answers.get(tenant) ?? new Map<string, number>()
      answers.set(tenant, counts.set(answer, (counts.get(answer) ?? 0) + 1))
    }
  }

  #countOf(tenant: string): number {
    const counts = this.#answers.get(tenant)?.values() ?? []
    return [...counts].reduce((sum, count) => sum + count, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#workers)
    await this.router.close()
    await this.#directory.close()
  }
}

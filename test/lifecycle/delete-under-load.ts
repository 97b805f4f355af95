import { describe, expect, it } from 'vitest'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant } from '../../src/lifecycle/delete/purge-tenant.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { announcing } from '../../src/registry/announcing-registry.ts'
import { Directory } from '../../src/registry/directory.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { RouteOpener } from '../../src/router/route-opener.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'
import { LifecycleGround } from './ground.ts'
import { namedAfter } from './purge-ground.ts'

interface Numbers {
  readonly workers: number
  /** Requests for each of the two tenants in each phase. */
  readonly requests: number
}

interface Asked {
  readonly tenant: string
  readonly startedAt: number
  /** The row's text, or the code of the error. */
  readonly answer: string
}

/** Workers that ask for both tenants in turn, each again as soon as it was answered, until stopped. */
class Load {
  readonly asked: Asked[] = []
  readonly #router: TenantRouter
  readonly #workers: Promise<void>[]
  #isStopped = false
  #onAnswer: (() => void) | undefined

  constructor(router: TenantRouter, tenants: readonly string[], workers: number) {
    this.#router = router
    this.#workers = Array.from({ length: workers }, (_, index) => this.#work(tenants, index))
  }

  since(at: number, tenant: string): Asked[] {
    return this.asked.filter((one) => one.tenant === tenant && one.startedAt > at)
  }

  /** Resolves when each tenant had so many answers to requests that began from now on. */
  async goOn(tenants: readonly string[], requests: number): Promise<void> {
    const from = performance.now()
    const missing = new Map(tenants.map((tenant) => [tenant, requests]))
    for (let seen = this.asked.length; [...missing.values()].some((count) => count > 0); ) {
      await this.#answered()
      for (const { tenant, startedAt } of this.asked.slice(seen))
        if (startedAt > from) missing.set(tenant, (missing.get(tenant) ?? 0) - 1)
      seen = this.asked.length
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#workers)
  }

  /** Resolves with the next answer. */
  #answered(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAnswer = resolve
    })
  }

  async #work(tenants: readonly string[], first: number): Promise<void> {
    for (let turn = first; !this.#isStopped; turn += 1) {
      const tenant = tenants[turn % tenants.length] ?? ''
      const startedAt = performance.now()
      const rows = this.#router.sql(tenant)`select name from owner`
      const answer = await rows.then(
        ([row]) => String(row?.['name']),
        (error: { code: string }) => error.code,
      )
      this.asked.push({ tenant, startedAt, answer })
      this.#onAnswer?.()
    }
  }
}

function answersOf(asked: readonly Asked[]): string[] {
  return [...new Set(asked.map(({ answer }) => answer))].toSorted()
}

async function make(parts: LifecycleParts, id: string, name = id): Promise<string> {
  const schema = `create table owner (name text); insert into owner values ('${name}')`
  return (await provisionTenant(parts, { id, schema }, 'test')).tenant.database
}

export function describeDeleteUnderLoad({ workers, requests }: Numbers): void {
  describe(`deleting under the load of ${workers} workers`, () => {
    it('answers deleted and nothing else from when it is acknowledged, and no other tenant feels it', async () => {
      await using ground = await LifecycleGround.withServer(18)
      await using directory = new Directory(ground.registry)
      const registry = announcing(ground.registry, (change) => directory.invalidate(change))
      const parts = { ...ground.parts, registry }
      const opener = new RouteOpener(parts.sealer, registry.id, RouterOptions.parse({}))
      const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
      await using router = new TenantRouter(directory, backends, { maxConnections: 8 })
      const old = await make(parts, 'acme')
      await make(parts, 'globex')
      const both = ['acme', 'globex']
      const load = new Load(router, both, workers)
      await load.goOn(both, requests)
      await deleteTenant(parts, 'acme', { confirm: 'acme' }, 'test')
      const deletedAt = performance.now()
      expect(await ground.server.sessionsOf(old)).toBe(0)
      await load.goOn(both, requests)
      expect(answersOf(load.since(deletedAt, 'acme'))).toEqual(['tenant_deleted'])
      expect(await ground.server.sessionsOf(old)).toBe(0)

      const purgeBegan = performance.now()
      await purgeTenant(parts, 'acme', { confirm: 'acme', now: true }, 'test')
      const purgedAt = performance.now()
      await load.goOn(both, requests)
      const between = load.since(purgeBegan, 'acme').filter(({ startedAt }) => startedAt < purgedAt)
      for (const answer of answersOf(between)) expect(['tenant_deleted', 'tenant_unknown']).toContain(answer)
      expect(answersOf(load.since(purgedAt, 'acme'))).toEqual(['tenant_unknown'])
      expect(await namedAfter(ground, old)).toEqual([])

      await make(parts, 'acme', 'another')
      const madeAt = performance.now()
      await load.goOn(both, requests)
      expect(answersOf(load.since(madeAt, 'acme'))).toEqual(['another'])
      await load.stop()
      expect(answersOf(load.since(0, 'globex'))).toEqual(['globex'])
    }, 600_000)
  })
}

import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { TenantryError } from '../../../src/errors.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { rotateTenant } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { Directory } from '../../../src/registry/directory.ts'
import type { Registry } from '../../../src/registry/registry.ts'
import { RouterOptions } from '../../../src/router/options.ts'
import { RouteOpener } from '../../../src/router/route-opener.ts'
import { TenantRouter } from '../../../src/router/tenant-router.ts'
import { sideBySide } from '../../../src/side-by-side.ts'
import { LifecycleGround, sqlstateOf } from '../ground.ts'
import { loginOf, mayLogin } from './logins.ts'

export interface RotationLoad {
  readonly tenants: number
  /** Of both replicas together. */
  readonly workers: number
  /** Until the second replica hears of a change. */
  readonly lagMs: number
  /** Of the rotation; undefined: its default. */
  readonly hearMs: number | undefined
  /** Between any two writes to the registry, and between any two steps. */
  readonly pauseMs: number
}

/** The same registry, whose changes are heard of late. */
function lagging(registry: Registry, lagMs: number): Registry {
  return replaced(registry, 'changes', async function* (position: string | undefined, signal: AbortSignal) {
    for await (const batch of registry.changes(position, signal)) {
      await delay(lagMs)
      yield batch
    }
  })
}

/** Parts that pause before and after everything they write. */
function pausing(parts: LifecycleParts, pauseMs: number): LifecycleParts {
  const commit: Registry['commit'] = async (...commitment) => {
    await delay(pauseMs)
    const revisions = await parts.registry.commit(...commitment)
    await delay(pauseMs)
    return revisions
  }
  return { ...parts, registry: replaced(parts.registry, 'commit', commit), onStep: () => delay(pauseMs) }
}

function replaced<Name extends keyof Registry>(registry: Registry, name: Name, by: Registry[Name]): Registry {
  return new Proxy(registry, {
    get(target, wanted) {
      if (wanted === name) return by
      const value: unknown = Reflect.get(target, wanted)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A router over the ground, as a replica has it, with everybody who asks it. */
class Replica implements AsyncDisposable {
  readonly failures: string[] = []
  /** Of each tenant's last answer. */
  readonly roles = new Map<string, string>()
  answers = 0
  readonly #directory: Directory
  readonly #router: TenantRouter
  readonly #workers: Promise<void>[]
  #isOver = false

  constructor(ground: LifecycleGround, registry: Registry, ids: readonly string[], workers: number) {
    const options = { maxConnections: 60, acquireTimeoutMs: 10_000 }
    const opener = new RouteOpener(ground.parts.sealer, registry.id, RouterOptions.parse(options))
    this.#directory = new Directory(registry)
    const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
    this.#router = new TenantRouter(this.#directory, backends, options)
    this.#workers = Array.from({ length: workers }, (_, at) => this.#work(ids, at))
  }

  async #work(ids: readonly string[], from: number): Promise<void> {
    for (let at = from; !this.#isOver; at += 1) {
      const id = ids[at % ids.length] ?? ''
      try {
        const rows = await this.#router.withTenant(
          id,
          (sql) => sql<{ role: string }[]>`select current_user::text as role`,
        )
        this.answers += 1
        this.roles.set(id, rows[0]?.role ?? '')
      } catch (error) {
        this.failures.push(error instanceof TenantryError ? `${id}: ${error.code}` : String(error))
      }
    }
  }

  /** Once nobody asks any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#workers)
    await this.#router.close()
    await this.#directory.close()
  }
}

export function describeRotationUnderLoad(load: RotationLoad): void {
  const { tenants, workers, lagMs, hearMs, pauseMs } = load
  describe(`rotating ${tenants} tenants while ${workers} workers query on two replicas`, () => {
    it(`fails no request with ${pauseMs} ms between all writes, and Postgres refuses every old password`, async () => {
      await using ground = await LifecycleGround.withServer(18)
      const ids = Array.from({ length: tenants }, (_, at) => `t${at}`)
      await sideBySide(ids, 2, (id) =>
        provisionTenant({ ...ground.parts, scramIterations: 1 }, { id }, 'test'),
      )
      const before = await Promise.all(ids.map((id) => loginOf(ground, id)))
      await using quick = new Replica(ground, ground.registry, ids, workers / 2)
      await using late = new Replica(ground, lagging(ground.registry, lagMs), ids, workers / 2)
      await vi.waitFor(() => expect([quick.roles.size, late.roles.size]).toEqual([tenants, tenants]), 30_000)

      const parts = pausing({ ...ground.parts, scramIterations: 1 }, pauseMs)
      const waits = hearMs === undefined ? {} : { hearMs }
      const rotated = await sideBySide(ids, 4, (id) => rotateTenant(parts, id, waits, 'test'))
      expect(rotated.map(({ sessionsEnded }) => sessionsEnded)).toEqual(ids.map(() => 0))

      const after = new Map(rotated.map(({ tenant, to }) => [tenant.id as string, to]))
      await vi.waitFor(() => expect([quick.roles, late.roles]).toEqual([after, after]), 10_000)
      expect(quick.answers + late.answers).toBeGreaterThan(10 * tenants)
      expect([...quick.failures, ...late.failures]).toEqual([])
      for (const login of before) expect(await sqlstateOf(login.enter())).toBe('28P01')
      expect(
        await mayLogin(
          ground,
          before.map(({ user }) => user),
        ),
      ).toEqual([])
    })
  })
}

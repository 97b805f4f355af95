import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRouter } from '../create-router.ts'
import { ownKeys } from '../lifecycle/own-keys.ts'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import { registerTenant } from '../lifecycle/tenant/register-tenant.ts'
import { generateMasterKey } from '../registry/master-keys.ts'
import type { AppRouter } from '../router/app-router.ts'
import type { RouterOptions } from '../router/options.ts'

const ACTOR = 'test'

/** A router over a registry of its own, which is a file in a folder that goes when this is closed. */
export class TestRouter implements AsyncDisposable {
  readonly router: AppRouter
  readonly parts: LifecycleParts
  readonly #folder: string

  private constructor(router: AppRouter, parts: LifecycleParts, folder: string) {
    this.router = router
    this.parts = parts
    this.#folder = folder
  }

  static async open(options: RouterOptions): Promise<TestRouter> {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-test-'))
    try {
      const masterKey = generateMasterKey()
      const registry = `file:${join(folder, 'registry.yaml')}`
      const router = await createRouter({ registry, masterKey, ...options })
      return new TestRouter(router, { registry: router.registry, ...ownKeys(masterKey, undefined) }, folder)
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** @throws what `tenantry tenant register` says. */
  async register(tenant: string, dsn: string): Promise<void> {
    await registerTenant(this.parts, { id: tenant, route: { dsn } }, ACTOR)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.router.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

import { vi } from 'vitest'
import { openRedis, type RedisConnection } from '../../src/redis.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { startWorld, type World } from '../support/world.ts'
import { audit } from '../support/world-records.ts'

/** Long enough for a busy machine to answer, where it is not the deadline that is looked at. */
const PATIENT_MS = 5_000

/** Tenants `acme`, which has a database, and `globex` and `initech`, which share it; and a Redis. */
export class ScopeGround implements AsyncDisposable {
  readonly world: World
  readonly server: RedisServer
  readonly redis: RedisConnection

  constructor(world: World, server: RedisServer, redis: RedisConnection) {
    this.world = world
    this.server = server
    this.redis = redis
  }

  /** Deletes the tenant from the registry and makes another of the same name. Resolves when the router knows. */
  async remake(tenant: string): Promise<void> {
    const { registry } = this.world
    const entry = await registry.find('tenant', tenant)
    if (!entry) throw new Error(`there is no tenant ${tenant}`)
    await registry.commit({ removes: [{ kind: 'tenant', id: tenant }], audit: audit(tenant) }, [
      { kind: 'tenant', id: tenant, revision: entry.revision },
    ])
    const record = { ...entry.record, generation: await registry.nextGeneration() }
    await registry.commit({ puts: [{ kind: 'tenant', id: tenant, record }], audit: audit(tenant) }, [
      { kind: 'tenant', id: tenant, revision: 0 },
    ])
    await this.#known(tenant, ({ generation }) => generation === record.generation)
  }

  /** As a rotation or a move. Resolves when the router knows. */
  async raiseEpoch(tenant: string): Promise<void> {
    let epoch = 0
    await this.world.change(tenant, (record) => {
      epoch = record.epoch + 1
      return { ...record, epoch }
    })
    await this.#known(tenant, (record) => record.epoch === epoch)
  }

  /** Resolves when the router knows. */
  async setStatus(tenant: string, status: TenantRecord['status']): Promise<void> {
    await this.world.change(tenant, (record) => ({ ...record, status }))
    await this.#known(tenant, (record) => record.status === status)
  }

  async #known(tenant: string, isThere: (record: TenantRecord) => boolean): Promise<void> {
    await vi.waitFor(async () => {
      const entry = await this.world.router.directory.tenant(parseTenantId(tenant))
      if (!entry || !isThere(entry.record)) throw new Error(`the router has not heard of ${tenant}`)
    }, 10_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.redis.close()
    await this.server.stop()
    await this.world[Symbol.asyncDispose]()
  }
}

/** @param deadlineMs of the connection to Redis. */
export async function startScopes(deadlineMs: number = PATIENT_MS): Promise<ScopeGround> {
  const [world, server] = await Promise.all([
    startWorld(['acme'], { lodgers: ['globex', 'initech'] }),
    startRedis(),
  ])
  const redis = await openRedis(server.url, { deadlineMs, onFault: () => undefined })
  return new ScopeGround(world, server, redis)
}

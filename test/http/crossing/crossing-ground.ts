import type { Listener } from '../../../src/http/listener.ts'
import { type NewKey, newKey, putKeys, scopeOf } from '../../support/world-keys.ts'
import { BASE_DOMAIN, type HttpWorld } from '../http-world.ts'
import { neonHeaders } from '../neon-headers.ts'
import { Wire } from './wire.ts'

/** By which key a request comes, and what names its tenant. */
export type Way = 'tenant' | 'tenant-host' | 'service-header' | 'service-host'
export const WAYS: readonly Way[] = ['tenant', 'tenant-host', 'service-header', 'service-host']

/** The tenant plane of a world on a port of its own, and a key for each tenant. */
export class CrossingGround implements AsyncDisposable {
  readonly http: HttpWorld
  readonly wire: Wire
  readonly #listener: Listener
  readonly #keys: ReadonlyMap<string, string>
  readonly #serviceKey: string

  private constructor(
    http: HttpWorld,
    listener: Listener,
    clients: number,
    keys: ReadonlyMap<string, string>,
    serviceKey: string,
  ) {
    this.http = http
    this.#listener = listener
    this.wire = new Wire(listener.url, clients)
    this.#keys = keys
    this.#serviceKey = serviceKey
  }

  static async open(http: HttpWorld, clients: number): Promise<CrossingGround> {
    const listener = await http.listen(clients * 4)
    return new CrossingGround(http, listener, clients, await keysOf(http), await http.serviceKey())
  }

  keyOf(tenant: string): string {
    const key = this.#keys.get(tenant)
    if (key === undefined) throw new Error(`${tenant} has no key`)
    return key
  }

  /** What makes a request one of the tenant. */
  as(tenant: string, way: Way): Record<string, string> {
    const authorization = `Bearer ${way.startsWith('tenant') ? this.keyOf(tenant) : this.#serviceKey}`
    const host = `${tenant}.${BASE_DOMAIN}`
    if (way === 'tenant') return { authorization }
    if (way === 'service-header') return { authorization, 'x-tenant-id': tenant }
    return { authorization, host }
  }

  /** The same for /sql, whose credential names the tenant by itself. */
  asNeon(tenant: string, way: Way): Record<string, string> {
    const key = way.startsWith('tenant') ? this.keyOf(tenant) : this.#serviceKey
    const host = way.endsWith('host') ? { host: `${tenant}.${BASE_DOMAIN}` } : {}
    return { ...neonHeaders(key, tenant), ...host }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wire[Symbol.dispose]()
    await this.#listener.stop(1_000)
  }
}

async function keysOf({ world: { places, registry } }: HttpWorld): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, NewKey>()
  for (const tenant of places.keys()) made.set(tenant, newKey(await scopeOf(registry, tenant)))
  await putKeys(
    registry,
    [...made.values()].map(({ record }) => record),
  )
  return new Map([...made].map(([tenant, { key }]) => [tenant, key]))
}

import { ClientLimit } from '../../../src/http/client-limit.ts'
import { Listener } from '../../../src/http/listener.ts'
import { formatApiKey, makeKey } from '../../../src/registry/api-key.ts'
import type { KeyRecord, KeyScope } from '../../../src/registry/key-record.ts'
import { openLog } from '../../../src/telemetry/log.ts'
import { audit } from '../../support/world-records.ts'
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
    const log = openLog('debug', { write: (line: string) => void http.logLines.push(line) })
    const listener = await Listener.open(http.tenants, {
      host: '127.0.0.1',
      port: 0,
      stallMs: 5_000,
      requestTimeoutMs: 15_000,
      clientLimit: new ClientLimit(clients * 4, 'tenant', { observer: http.metrics, log }),
    })
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

/** In one commit: a file registry writes the whole file for each. */
async function keysOf({ world }: HttpWorld): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>()
  const records: KeyRecord[] = []
  for (const tenant of world.places.keys()) {
    const entry = await world.registry.find('tenant', tenant)
    if (!entry) throw new Error(`there is no tenant ${tenant}`)
    const { id, generation } = entry.record
    const made = makeKey()
    keys.set(tenant, formatApiKey(made).reveal())
    records.push(recordOf(made.id, made.hash, { kind: 'tenant', tenant: id, generation }))
  }
  await world.registry.commit(
    { puts: records.map((record) => ({ kind: 'key', id: record.id, record })), audit: audit('keys') },
    records.map(({ id }) => ({ kind: 'key', id, revision: 0 })),
  )
  return keys
}

function recordOf(id: string, secretHash: string, scope: KeyScope): KeyRecord {
  return {
    id,
    scope,
    secretHash,
    readOnly: false,
    name: 'crossing',
    createdAt: new Date().toISOString(),
    expiresAt: null,
    revokedAt: null,
  }
}

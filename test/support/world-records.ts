import type { Registry } from '../../src/registry/registry.ts'
import { tenantPasswordBinding } from '../../src/registry/route.ts'
import type { Sealer } from '../../src/registry/sealing.ts'
import type { ServerRecord } from '../../src/registry/server-record.ts'
import { Secret } from '../../src/secret.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import type { TenantPlace } from './world.ts'

const SERVER_ID = 'main'

/** As `register` would leave it. */
export function recordOf(
  registryId: string,
  sealer: Sealer,
  generation: number,
  tenant: string,
  place: TenantPlace,
  limits: Partial<TenantRecord['limits']> = {},
): TenantRecord {
  const id = parseTenantId(tenant)
  const binding = tenantPasswordBinding(registryId, { id, generation })
  const now = new Date().toISOString()
  return {
    id,
    generation,
    epoch: 1,
    status: 'active',
    statusReason: null,
    origin: 'registered',
    route: {
      server: SERVER_ID,
      database: place.database,
      role: place.role,
      password: sealer.seal(new Secret(place.password), binding),
      slot: null,
      readOnly: null,
    },
    identity: {
      kind: 'pin',
      systemIdentifier: place.pin.identifier,
      serverAddress: null,
      databaseOid: place.pin.oid,
      databaseName: place.database,
      shared: false,
    },
    isolation: { isolated: true, findings: [], checkedAt: now },
    limits: { weight: 1, ...limits },
    labels: {},
    schemaVersion: null,
    operation: null,
    deletion: null,
    createdAt: now,
    updatedAt: now,
  }
}

export async function putServer(
  registry: Registry,
  { host, port }: { host: string; port: number },
  via: ServerRecord['via'],
  maxConnections: number,
): Promise<void> {
  const now = new Date().toISOString()
  const record: ServerRecord = {
    id: SERVER_ID,
    endpoints: [{ role: 'primary', host, port }],
    tls: { mode: 'disable', ca: null, serverName: null, clientCert: null },
    via,
    admin: null,
    passwordProvider: null,
    budget: { maxConnections, headroom: 3 },
    labels: {},
    createdAt: now,
    updatedAt: now,
  }
  await registry.commit({ puts: [{ kind: 'server', id: SERVER_ID, record }], audit: audit(SERVER_ID) }, [
    { kind: 'server', id: SERVER_ID, revision: 0 },
  ])
}

/** In one commit: a file registry writes the whole file for each. */
export async function putTenants(registry: Registry, records: readonly TenantRecord[]): Promise<void> {
  await registry.commit(
    { puts: records.map((record) => ({ kind: 'tenant', id: record.id, record })), audit: audit(SERVER_ID) },
    records.map(({ id }) => ({ kind: 'tenant', id, revision: 0 })),
  )
}

export function audit(target: string) {
  return { actor: 'test', action: 'test', target, at: new Date().toISOString(), detail: {} }
}

import { type AliasKind, aliasId } from '../../src/registry/alias-record.ts'
import type { Commit, Expectation, Kind, Put, Registry } from '../../src/registry/registry.ts'
import type { ServerRecord } from '../../src/registry/server-record.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'

const AT = '2026-01-02T03:04:05.000Z'

export const audit = { actor: 'test', action: 'change', target: 'registry', at: AT, detail: {} }

export function tenantRecord(id: string, changes: Partial<TenantRecord> = {}): TenantRecord {
  return {
    id: parseTenantId(id),
    generation: 1,
    epoch: 1,
    status: 'active',
    statusReason: null,
    origin: 'registered',
    route: {
      server: 'main',
      database: `${id} db`,
      role: `${id}_role`,
      password: null,
      slot: null,
      readOnly: null,
    },
    identity: null,
    isolation: null,
    limits: { weight: 1 },
    labels: {},
    schemaVersion: null,
    operation: null,
    deletion: null,
    createdAt: AT,
    updatedAt: AT,
    ...changes,
  }
}

export function serverRecord(id: string, changes: Partial<ServerRecord> = {}): ServerRecord {
  return {
    id,
    endpoints: [{ role: 'primary', host: '127.0.0.1', port: 5432 }],
    tls: { mode: 'disable', ca: null, serverName: null, clientCert: null },
    via: 'direct',
    admin: null,
    passwordProvider: null,
    budget: { maxConnections: 10, headroom: 3 },
    labels: {},
    createdAt: AT,
    updatedAt: AT,
    ...changes,
  }
}

export function tenant(id: string, changes: Partial<TenantRecord> = {}): Put & { kind: 'tenant' } {
  return { kind: 'tenant', id, record: tenantRecord(id, changes) }
}

export function server(id: string, changes: Partial<ServerRecord> = {}): Put & { kind: 'server' } {
  return { kind: 'server', id, record: serverRecord(id, changes) }
}

export function alias(kind: AliasKind, value: string, of: string): Put & { kind: 'alias' } {
  return {
    kind: 'alias',
    id: aliasId(kind, value),
    record: { kind, value, tenant: parseTenantId(of), createdAt: AT },
  }
}

export function tenantKey(id: string, of: string): Put & { kind: 'key' } {
  return {
    kind: 'key',
    id,
    record: {
      id,
      scope: { kind: 'tenant', tenant: parseTenantId(of), generation: 1 },
      secretHash: 'h'.repeat(43),
      readOnly: false,
      name: 'test',
      createdAt: AT,
      expiresAt: null,
      revokedAt: null,
    },
  }
}

export function operation(id: string, of: string): Put & { kind: 'operation' } {
  return {
    kind: 'operation',
    id,
    record: {
      id,
      kind: 'provision',
      tenant: parseTenantId(of),
      from: null,
      to: null,
      stepsDone: ['role'],
      progress: null,
      data: { database: 'd', nested: { list: [1, null, 'x'] } },
      state: 'running',
      error: null,
      actor: 'test',
      holder: null,
      startedAt: AT,
      updatedAt: AT,
    },
  }
}

export function expecting(
  revision: number,
  ...entries: readonly { kind: Kind; id: string }[]
): Expectation[] {
  return entries.map(({ kind, id }) => ({ kind, id, revision }))
}

/** Commits what was not there before. */
export function create(registry: Registry, ...puts: Put[]): Promise<readonly number[]> {
  return registry.commit({ puts, audit }, expecting(0, ...puts))
}

/** Commits over whatever is there. */
export async function change(registry: Registry, put: Put): Promise<number> {
  const present = await registry.find(put.kind, put.id)
  const [revision = 0] = await registry.commit({ puts: [put], audit }, expecting(present?.revision ?? 0, put))
  return revision
}

export async function remove(registry: Registry, kind: Kind, id: string): Promise<void> {
  const present = await registry.find(kind, id)
  const commit: Commit = { removes: [{ kind, id }], audit }
  await registry.commit(commit, expecting(present?.revision ?? 0, { kind, id }))
}

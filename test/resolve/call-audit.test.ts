import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import type { KeyRecord } from '../../src/registry/key-record.ts'
import type { AuditEntry, Registry } from '../../src/registry/registry.ts'
import { CallAudit } from '../../src/resolve/call-audit.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { trailOf } from '../registry/conformance-trail.ts'
import { tenantKey } from '../registry/records.ts'

const HOUR_MS = 3_600_000
const START = Date.parse('2026-01-01T10:00:00Z')

const { record: tenants } = tenantKey('aaaaaaaaaaaa', 'acme')
const service: KeyRecord = {
  ...tenants,
  id: 'bbbbbbbbbbbb',
  scope: { kind: 'service', labels: { plan: 'pro' } },
}

async function ground() {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-calls-'))
  const registry = await FileRegistry.open(join(folder, 'registry.yaml'))
  onTestFinished(async () => {
    await registry.close()
    await rm(folder, { recursive: true })
  })
  const clock = { now: START }
  const state = { isAway: false }
  const faults: unknown[] = []
  const away: Pick<Registry, 'commit'> = {
    commit: async (commit, expectations) => {
      if (state.isAway) throw new RegistryUnavailableError('away')
      return registry.commit(commit, expectations)
    },
  }
  const calls = new CallAudit(away, { onFault: (fault) => faults.push(fault), now: () => clock.now })
  const written = async () => {
    const { entries } = await trailOf(registry, { order: 'oldest' })
    return entries.map(({ audit }) => [audit?.actor, audit?.action, audit?.target, audit?.detail])
  }
  return { registry, calls, clock, state, faults, written }
}

describe('the audit of callers', () => {
  it('has the first cross-tenant attempts at once, and the rest of the hour in one entry when it is over', async () => {
    const { calls, clock, written } = await ground()
    const attempt = () => calls.refused(tenants, 'globex', 'tenant_mismatch')
    attempt()
    attempt()
    await calls.write()
    const first = { why: 'tenant_mismatch', count: 2, hour: '2026-01-01T10:00:00.000Z', keyOf: 'acme' }
    const entry = ['key:aaaaaaaaaaaa', 'call.refuse', 'globex']
    expect(await written()).toEqual([[...entry, first]])
    for (let i = 0; i < 57; i += 1) attempt()
    await calls.write()
    expect(await written()).toHaveLength(1)
    clock.now += HOUR_MS
    attempt()
    await calls.close()
    expect(await written()).toEqual([
      [...entry, first],
      [...entry, { ...first, count: 57 }],
      [...entry, { ...first, count: 1, hour: '2026-01-01T11:00:00.000Z' }],
    ])
  })

  it('counts each key, tenant and reason for itself, and finds them by the tenant', async () => {
    const { registry, calls } = await ground()
    calls.refused(tenants, 'globex', 'tenant_mismatch')
    calls.refused(service, 'globex', 'labels_differ')
    calls.refused(service, 'initech', 'names_differ')
    await calls.close()
    const { entries } = await trailOf(registry, { tenant: 'globex', order: 'oldest' })
    expect(entries.map(({ audit }) => [audit?.actor, audit?.detail['why']])).toEqual([
      ['key:aaaaaaaaaaaa', 'tenant_mismatch'],
      ['key:bbbbbbbbbbbb', 'labels_differ'],
    ])
  })

  it('has the first use of a service key for each tenant, many in an entry, and the counts when the hour is over', async () => {
    const { calls, written } = await ground()
    for (let i = 0; i < 120; i += 1) calls.served(service, `t${i % 60}`)
    await calls.write()
    const entries = await written()
    expect(entries.map(([actor, action, target]) => [actor, action, target])).toEqual([
      ['key:bbbbbbbbbbbb', 'call.serve', 'bbbbbbbbbbbb'],
      ['key:bbbbbbbbbbbb', 'call.serve', 'bbbbbbbbbbbb'],
    ])
    expect(entries[0]?.[3]).toMatchObject({ hour: '2026-01-01T10:00:00.000Z', 'tenant t0': 2 })
    calls.served(service, 't0')
    await calls.close()
    expect((await written()).at(-1)?.[3]).toEqual({ hour: '2026-01-01T10:00:00.000Z', 'tenant t0': 1 })
  })

  it('stays small whatever names are tried, and loses no count', async () => {
    const entries: AuditEntry[] = []
    const commit: Registry['commit'] = async ({ audit }) => {
      entries.push(audit)
      return []
    }
    const calls = new CallAudit({ commit }, { onFault: () => expect.unreachable() })
    for (let i = 0; i < 1_000; i += 1) calls.refused(tenants, `victim-${i}`, 'tenant_mismatch')
    await calls.close()
    expect(entries).toHaveLength(101)
    expect(entries.at(-1)).toMatchObject({ target: '*', detail: { count: 900 } })
  })

  it('says of tokens whose they are, of sessions that they are, and where the first one came from', async () => {
    const { registry, calls } = await ground()
    const acme = parseTenantId('acme')
    calls.refused(
      { id: 'user-1', scope: { kind: 'token', tenant: acme } },
      'globex',
      'tenant_mismatch',
      '192.0.2.1',
    )
    calls.refused(
      { id: 'user-1', scope: { kind: 'token', tenant: acme } },
      'globex',
      'tenant_mismatch',
      '192.0.2.2',
    )
    calls.refused({ id: 'session', scope: { kind: 'session' } }, 'globex', 'not_permitted', '192.0.2.3')
    await calls.close()
    const { entries } = await trailOf(registry, { tenant: 'globex', order: 'oldest' })
    const hour = '2026-01-01T10:00:00.000Z'
    expect(entries.map(({ audit }) => [audit?.actor, audit?.detail])).toEqual([
      ['token:user-1', { why: 'tenant_mismatch', count: 2, hour, tokenOf: 'acme', client: '192.0.2.1' }],
      ['session', { why: 'not_permitted', count: 1, hour, client: '192.0.2.3' }],
    ])
  })

  it('keeps two users of one id apart where they are of different tenants', async () => {
    const { calls, written } = await ground()
    for (const tenant of ['acme', 'initech'].map(parseTenantId))
      calls.refused({ id: 'user-1', scope: { kind: 'token', tenant } }, 'globex', 'tenant_mismatch')
    await calls.close()
    expect(await written()).toMatchObject([
      ['token:user-1', 'call.refuse', 'globex', { count: 1, tokenOf: 'acme' }],
      ['token:user-1', 'call.refuse', 'globex', { count: 1, tokenOf: 'initech' }],
    ])
  })

  it('stays small however many subjects an issuer has, and loses no count', async () => {
    const entries: AuditEntry[] = []
    const commit: Registry['commit'] = async ({ audit }) => {
      entries.push(audit)
      return []
    }
    const calls = new CallAudit({ commit }, { onFault: () => expect.unreachable() })
    const scope = { kind: 'token', tenant: parseTenantId('acme') } as const
    for (let i = 0; i < 10_500; i += 1) calls.refused({ id: `user-${i}`, scope }, 'globex', 'tenant_mismatch')
    await calls.close()
    expect(entries).toHaveLength(10_001)
    expect(entries.at(-1)).toMatchObject({ actor: 'token:*', target: '*', detail: { count: 500 } })
  })

  it('keeps its counts while the registry is away, says so each time, and writes them when it is back', async () => {
    const { calls, state, faults, written } = await ground()
    state.isAway = true
    calls.refused(tenants, 'globex', 'tenant_mismatch')
    await calls.write()
    await calls.write()
    expect(faults).toHaveLength(2)
    state.isAway = false
    calls.refused(tenants, 'globex', 'tenant_mismatch')
    await calls.close()
    expect(await written()).toMatchObject([['key:aaaaaaaaaaaa', 'call.refuse', 'globex', { count: 2 }]])
  })
})

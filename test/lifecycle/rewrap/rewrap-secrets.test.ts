import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InternalError } from '../../../src/errors.ts'
import { showOperation } from '../../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { type SecretsRewrapped, startRewrap } from '../../../src/lifecycle/rewrap/rewrap-secrets.ts'
import { addServer } from '../../../src/lifecycle/server/add-server.ts'
import { FileRegistry } from '../../../src/registry/file/file-registry.ts'
import { generateMasterKey, MasterKeys } from '../../../src/registry/master-keys.ts'
import type { Put, Registry } from '../../../src/registry/registry.ts'
import { clientKeyBinding, targetOf, tenantPasswordBinding } from '../../../src/registry/route.ts'
import { Sealer } from '../../../src/registry/sealing.ts'
import { isSamePlace, type ServerRecord } from '../../../src/registry/server-record.ts'
import { Secret } from '../../../src/secret.ts'
import { parseTenantId } from '../../../src/tenant/tenant-id.ts'
import { serverRecord, tenantRecord } from '../../registry/records.ts'
import { dyingAfter, dyingAt, runningOf, successor } from '../dying.ts'
import { LifecycleGround } from '../ground.ts'

const OLD = generateMasterKey().reveal()
const NEW = generateMasterKey().reveal()
const kidOf = (key: string) => key.split(':')[0] ?? ''
const sealerOf = (...keys: string[]) => new Sealer(MasterKeys.fromText(keys.join(',')))
const audit = { actor: 'test', action: 'test', target: 'test', at: new Date().toISOString(), detail: {} }

async function rewrap(parts: LifecycleParts, dryRun = false): Promise<SecretsRewrapped> {
  return (await startRewrap(parts, { dryRun }, 'test')).result
}

/** Tenants whose passwords are sealed, on a server that may have a client key; nothing of it is on any server. */
async function fill(registry: Registry, sealer: Sealer, count: number, hasClientKey: boolean): Promise<void> {
  const puts: Put[] = Array.from({ length: count }, (_, at) => {
    const id = parseTenantId(`t${String(at).padStart(3, '0')}`)
    const record = tenantRecord(id)
    const password = sealer.seal(new Secret(`pw-${id}`), tenantPasswordBinding(registry.id, record))
    return { kind: 'tenant', id, record: { ...record, route: { ...record.route, server: 'main', password } } }
  })
  const main = serverRecord('main')
  const key = sealer.seal(new Secret('client key'), clientKeyBinding(registry.id, 'main'))
  const clientCert = hasClientKey ? { certificate: 'certificate', key } : null
  puts.push({ kind: 'server', id: 'main', record: { ...main, tls: { ...main.tls, clientCert } } })
  await registry.commit(
    { puts, audit },
    puts.map(({ kind, id }) => ({ kind, id, revision: 0 })),
  )
}

async function serverOf(registry: Registry): Promise<ServerRecord> {
  const entry = await registry.find('server', 'main')
  if (!entry) throw new Error('no server')
  return entry.record
}

/** Those of the tenants whose password opens. */
async function opened(registry: Registry, sealer: Sealer): Promise<string[]> {
  const server = await serverOf(registry)
  const { entries } = await registry.list('tenant', undefined, { limit: 1000 })
  return entries.map(({ record }) => targetOf(record, server, sealer, registry.id).password?.reveal() ?? '')
}

/** A registry sealed under the old key, and a process that has both. */
async function ground(count: number, hasClientKey = true) {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-rewrap-'))
  const registry = await FileRegistry.open(join(folder, 'registry.yaml'))
  await fill(registry, sealerOf(OLD), count, hasClientKey)
  const end = async () => {
    await registry.close()
    await rm(folder, { recursive: true, force: true })
  }
  const parts: LifecycleParts = { registry, sealer: sealerOf(NEW, OLD), adminSealer: undefined }
  return { registry, parts, [Symbol.asyncDispose]: end }
}

describe('rewrapping', () => {
  it('seals every secret under the first key, after which the other is not needed, and routers notice nothing', async () => {
    await using world = await ground(45)
    const { registry, parts } = world
    const before = await serverOf(registry)
    const result = await rewrap(parts)
    expect(result).toMatchObject({ rewrapped: 46, admin: null })
    expect(result.master).toEqual({ active: kidOf(NEW), values: 46, older: {}, unreadable: [] })
    expect((await opened(registry, sealerOf(NEW))).at(-1)).toBe('pw-t044')
    await expect(opened(registry, sealerOf(OLD))).rejects.toMatchObject({ code: 'sealing_failed' })
    const { entries } = await registry.list('tenant')
    expect(new Set(entries.map(({ record }) => record.epoch))).toEqual(new Set([1]))
    expect(isSamePlace(before, await serverOf(registry))).toBe(true)
    expect(await startRewrap(parts, { dryRun: false }, 'test')).toMatchObject({ operation: null })
  })

  it('counts and changes nothing in a dry run', async () => {
    await using world = await ground(3)
    const { registry, parts } = world
    const result = await rewrap(parts, true)
    expect(result).toMatchObject({
      dryRun: true,
      rewrapped: 0,
      master: { values: 4, older: { [kidOf(OLD)]: 4 } },
    })
    expect(await opened(registry, sealerOf(OLD))).toHaveLength(3)
    expect((await registry.list('operation')).entries).toEqual([])
  })

  it.each(['dies-before', 'dies-after'] as const)(
    'goes on where a process ended (%s a page)',
    async (when) => {
      await using world = await ground(45, false)
      const { registry, parts } = world
      const dying = rewrap(dyingAt(parts, when, 'fleet.rewrap.page'))
      await expect(dying).rejects.toThrow('the process is gone')
      // In the middle of it, whoever has both keys opens everything.
      expect(await opened(registry, sealerOf(OLD, NEW))).toHaveLength(45)
      const { entries } = await registry.list('operation', undefined, { state: 'running' })
      const id = entries[0]?.id ?? ''
      await (await resumeOperation(successor(parts), id, 'test')).result
      expect(await showOperation(registry, id)).toMatchObject({
        state: 'done',
        progress: { done: 45, total: 45 },
      })
      expect(await opened(registry, sealerOf(NEW))).toHaveLength(45)
    },
  )

  it('loses nothing that others change meanwhile', async () => {
    await using world = await ground(30)
    const { registry, parts } = world
    const label = async (id: string) => {
      const entry = await registry.find('tenant', id)
      if (!entry) throw new Error(`no tenant ${id}`)
      const record = { ...entry.record, labels: { plan: 'pro' } }
      await registry.commit({ puts: [{ kind: 'tenant', id, record }], audit }, [entry])
    }
    let looks = 0
    const list: Registry['list'] = async (...what) => {
      const page = await registry.list(...what)
      const [kind] = what
      // Between the look that counts, the look at a page, and what is written of that.
      if (kind === 'tenant' && ++looks === 2) await label('t007')
      return page
    }
    const meeting = new Proxy(registry, {
      get: (target, name) => {
        const value: unknown = name === 'list' ? list : Reflect.get(target, name)
        return typeof value === 'function' && name !== 'list' ? value.bind(target) : value
      },
    })
    await rewrap({ ...parts, registry: meeting })
    expect((await registry.find('tenant', 't007'))?.record.labels).toEqual({ plan: 'pro' })
    expect(await opened(registry, sealerOf(NEW))).toHaveLength(30)
  })

  it('does what it can and names what does not open', async () => {
    await using world = await ground(3, false)
    const { registry, parts } = world
    const entry = await registry.find('tenant', 't001')
    if (!entry) throw new Error('no tenant')
    const strange = sealerOf(generateMasterKey().reveal())
    const password = strange.seal(new Secret('x'), tenantPasswordBinding(registry.id, entry.record))
    const record = { ...entry.record, route: { ...entry.record.route, password } }
    await registry.commit({ puts: [{ kind: 'tenant', id: 't001', record }], audit }, [entry])
    await expect(rewrap(parts)).rejects.toThrow(/1 values are under older keys.*route\.password of t001/)
    const t000 = await registry.find('tenant', 't000')
    expect(t000?.record.route.password?.kid).toBe(kidOf(NEW))
  })
})

it('keeps operations that failed able to go on, and servers to be administered', async () => {
  await using lifecycle = await LifecycleGround.start(18)
  const keyed = (...keys: string[]) => ({
    ...lifecycle.parts,
    sealer: sealerOf(...keys),
    adminSealer: sealerOf(...keys),
  })
  await addServer(keyed(OLD), { id: 'main', dsn: lifecycle.admin.dsn }, 'test')
  const input = { id: 'acme', schema: 'create table projects (name text)' }
  // Of a process that got the new key behind the old one, as it must before any rewrapping.
  const dying = provisionTenant(dyingAfter(keyed(OLD, NEW), 'furnish'), input, 'test')
  await expect(dying).rejects.toThrow('the process is gone')
  const id = await runningOf(lifecycle.registry, 'acme')
  await expect(rewrap(keyed(NEW, OLD))).rejects.toThrow(
    /1 values are under older keys still: of operations under way/,
  )
  await (await resumeOperation(successor(keyed(OLD, NEW)), id, 'test')).result
  const onStep = () => {
    throw new InternalError('it fails')
  }
  await expect(
    provisionTenant({ ...keyed(OLD, NEW), onStep }, { ...input, id: 'initech' }, 'test'),
  ).rejects.toThrow('it fails')
  const result = await rewrap(keyed(NEW, OLD))
  expect(result).toMatchObject({ master: { older: {} }, admin: { active: kidOf(NEW), values: 1, older: {} } })
  const { operation } = await lifecycle.tenant('initech')
  await (await resumeOperation(keyed(NEW), operation ?? '', 'test')).result
  expect((await lifecycle.tenant('initech')).status).toBe('active')
})

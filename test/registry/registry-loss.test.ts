import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { ConsulKeys } from '../../src/registry/consul/consul-keys.ts'
import { ConsulRegistry } from '../../src/registry/consul/consul-registry.ts'
import { Directory } from '../../src/registry/directory.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import type { Kind, Registry } from '../../src/registry/registry.ts'
import { Secret } from '../../src/secret.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startConsul } from '../support/consul.ts'
import { newManagementDatabase } from './management-database.ts'
import { alias, change, create, server, tenant, tenantKey } from './records.ts'

const seen = { timeout: 10_000, interval: 20 }
const acme = parseTenantId('acme')
const key = tenantKey('abcdefghijkl', 'acme')

interface Ground extends AsyncDisposable {
  readonly registry: Registry
  /** Takes every record away, and does not say so. */
  lose(): Promise<void>
  /** Takes these records away, and tells nobody of them: only that something was missed. */
  loseSome(entries: readonly { readonly kind: Kind; readonly id: string }[]): Promise<void>
  /** Makes the record of `acme` one that cannot be read, with `canary` in it. */
  spoil(): Promise<void>
}

async function postgres(): Promise<Ground> {
  const database = await newManagementDatabase()
  const registry = await database.open()
  return {
    registry,
    lose: async () => {
      await database.query('truncate tenantry_registry.entry, tenantry_registry.change')
      await database.query('update tenantry_registry.registry set revision = 0')
    },
    loseSome: async (entries) => {
      const gone = entries.map(({ kind, id }) => `${kind} ${id}`)
      await database.query("delete from tenantry_registry.entry where kind || ' ' || id = any($1)", [gone])
      await database.query('truncate tenantry_registry.change')
      await database.query('update tenantry_registry.registry set revision = revision + 1')
    },
    spoil: async () => {
      await database.query(
        `with r as (update tenantry_registry.registry set revision = revision + 1 returning revision),
         e as (update tenantry_registry.entry set revision = (select revision from r),
           record = jsonb_build_object('id', 'acme', 'canary', 'canary') where kind = 'tenant' and id = 'acme')
         insert into tenantry_registry.change select revision, 'tenant', 'acme' from r`,
      )
    },
    [Symbol.asyncDispose]: () => registry.close(),
  }
}

/** One for all tests: it takes seconds to start. */
const startedConsul = startConsul()
afterAll(async () => (await startedConsul).stop())

async function consul(): Promise<Ground> {
  const server = await startedConsul
  const prefix = `tenantry-${randomUUID()}`
  const url = new Secret(`consul://:${server.token}@${server.host}:${server.port}/${prefix}`)
  const registry = await ConsulRegistry.open(url)
  const path = `/v1/kv/${prefix}`
  return {
    registry,
    lose: async () => {
      await server.request('DELETE', `${path}/entry?recurse`)
      await server.request('PUT', `${path}/log`, { revision: 0, changes: [] })
    },
    loseSome: async (entries) => {
      const keys = new ConsulKeys(`${prefix}/`)
      for (const { kind, id } of entries) await server.request('DELETE', `/v1/kv/${keys.entry(kind, id)}`)
      await server.request('PUT', `${path}/log`, { revision: 99, changes: [] })
    },
    spoil: async () => {
      await server.request('PUT', `${path}/entry/tenant/acme`, { revision: 90, record: { canary: 'canary' } })
      await server.request('PUT', `${path}/log`, { revision: 90, changes: [[90, 'tenant', 'acme']] })
    },
    [Symbol.asyncDispose]: () => registry.close(),
  }
}

/** A directory that holds what is in its registry: a server, three tenants, an alias and a key. */
async function knowing(registry: Registry) {
  const tenants = ['acme', 'globex', 'initech']
  await create(registry, server('main'), ...tenants.map((id) => tenant(id)), key)
  await create(registry, alias('hostname', 'acme.example', 'acme'))
  const faults: unknown[] = []
  const directory = new Directory(registry, { silenceMs: 1_500 }, (fault) => faults.push(fault))
  const readAll = () =>
    Promise.all([
      directory.server('main'),
      directory.key(key.id),
      directory.tenantByAlias('hostname', 'acme.example'),
      ...tenants.map((id) => directory.tenant(parseTenantId(id))),
    ])
  await readAll()
  await vi.waitFor(() => expect(directory.stalenessSeconds()).toBeLessThan(1), seen)
  return { directory, faults, readAll, [Symbol.asyncDispose]: () => directory.close() }
}

describe.each([
  ['postgres', postgres],
  ['consul', consul],
] as const)('a %s registry', (_name, start) => {
  it('that loses every record takes no tenant, key, alias or server away, and is reported once', async () => {
    await using ground = await start()
    await using known = await knowing(ground.registry)
    let resets = 0
    known.directory.onChange((change) => {
      if (change === 'reset') resets++
    })
    await ground.lose()
    await vi.waitFor(() => expect(resets).toBeGreaterThan(0), seen)
    for (let i = 0; i < 20; i++)
      expect((await known.readAll()).every((entry) => entry !== undefined)).toBe(true)
    const lost = known.faults.filter((fault) => String(fault).includes('the registry lost'))
    expect(lost).toHaveLength(1)
    expect(known.directory.stats().refused.vanished).toBeGreaterThan(0)
  })

  it('that loses 60 % of its records unannounced takes none of them away, reads the rest, and is reported once', async () => {
    await using ground = await start()
    const many = Array.from({ length: 50 }, (_, i) => tenant(`t${i}`))
    for (let at = 0; at < 50; at += 25) await create(ground.registry, ...many.slice(at, at + 25))
    const faults: unknown[] = []
    await using directory = new Directory(ground.registry, {}, (fault) => faults.push(fault))
    const readAll = () => Promise.all(many.map(({ id }) => directory.tenant(parseTenantId(id))))
    let resets = 0
    directory.onChange((change) => {
      if (change === 'reset') resets++
    })
    await vi.waitFor(() => expect(resets).toBe(1), seen)
    await readAll()

    await ground.loseSome(many.slice(0, 30))
    await vi.waitFor(() => expect(resets).toBe(2), seen)
    const taken: unknown[] = []
    await vi.waitFor(async () => {
      taken.push(...(await readAll()).filter((entry) => entry === undefined))
      expect(directory.stats().refused.vanished).toBeGreaterThanOrEqual(30)
    }, seen)
    expect(taken).toEqual([])
    expect(faults.map(String)).toEqual([
      expect.stringMatching(/the registry lost \d+ of 20 records looked for/),
    ])
    await change(ground.registry, tenant('t49', { status: 'suspended' }))
    await vi.waitFor(
      async () => expect((await directory.tenant(parseTenantId('t49')))?.record.status).toBe('suspended'),
      seen,
    )
  })

  it('whose record cannot be read keeps the one before in use, and names it once without what is in it', async () => {
    await using ground = await start()
    await using known = await knowing(ground.registry)
    await ground.spoil()
    await vi.waitFor(async () => {
      await known.directory.tenant(acme)
      expect(known.directory.stats().refused.unreadable).toBeGreaterThan(1)
    }, seen)
    expect((await known.directory.tenant(acme))?.record.status).toBe('active')
    expect((await known.directory.tenant(parseTenantId('globex')))?.record.status).toBe('active')
    const reported = known.faults.filter((fault) => String(fault).includes('tenant acme'))
    expect(reported).toHaveLength(1)
    expect(inspect(known.faults)).not.toContain('canary')
    await using fresh = new Directory(ground.registry)
    await expect(fresh.tenant(acme)).rejects.toBeInstanceOf(RegistryUnavailableError)
  })
})

describe('a registry file', () => {
  it('that a hand empties is refused as faulty; to remove a few is not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-emptied-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'registry.yaml')
    const faults: Error[] = []
    await using registry = await FileRegistry.open(path, {
      onFault: (fault) => faults.push(fault),
      pollMs: 50,
    })
    await using known = await knowing(registry)
    const whole = await readFile(path, 'utf8')
    const without = (section: string, text: string) =>
      text.replace(new RegExp(`^${section}:\\n(?: .*\\n)+`, 'm'), `${section}: {}\n`)
    await writeFile(
      path,
      ['servers', 'tenants', 'keys', 'aliases'].reduce((text, name) => without(name, text), whole),
    )
    await vi.waitFor(() => expect(String(faults[0])).toContain('6 of 6 records are gone at once'), seen)
    expect((await known.readAll()).every((entry) => entry !== undefined)).toBe(true)
    await expect(change(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError)
    await writeFile(path, without('aliases', whole))
    await vi.waitFor(
      async () => expect(await known.directory.tenantByAlias('hostname', 'acme.example')).toBeUndefined(),
      seen,
    )
    expect((await known.directory.tenant(acme))?.record.status).toBe('active')
  })
})

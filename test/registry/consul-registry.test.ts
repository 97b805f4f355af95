import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  InvalidConfigError,
  RegistryTooNewError,
  RegistryUnavailableError,
  UnsupportedError,
} from '../../src/errors.ts'
import { ConsulRegistry, type ConsulRegistryOptions } from '../../src/registry/consul/consul-registry.ts'
import { Directory } from '../../src/registry/directory.ts'
import { migrateRegistry } from '../../src/registry/migrate-registry.ts'
import { Secret } from '../../src/secret.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { type ConsulServer, startConsul } from '../support/consul.ts'
import { describeRegistry } from './conformance.ts'
import { newAuditKey, verdictOn } from './conformance-trail.ts'
import { Followed } from './followed.ts'
import { alias, audit, change, create, remove, tenant } from './records.ts'

const acme = parseTenantId('acme')
const within5s = { timeout: 5_000, interval: 20 }

let consul: ConsulServer
beforeAll(async () => {
  consul = await startConsul()
})
afterAll(() => consul.stop())

function newPrefix(token = consul.token) {
  const prefix = `tenantry/${randomUUID()}`
  const url = new Secret(`consul://:${token}@${consul.host}:${consul.port}/${prefix}`)
  return {
    prefix,
    open: (options?: ConsulRegistryOptions) => ConsulRegistry.open(url, options),
    keys: async () => (await consul.request('GET', `/v1/kv/${prefix}?keys`)) as string[], // as the API documents
    [Symbol.asyncDispose]: async () => {},
  }
}

describeRegistry('consul', async () => newPrefix())

describe('a registry in Consul', () => {
  it('is served to many processes that start together', async () => {
    await using ground = newPrefix()
    const opened = await Promise.all(Array.from({ length: 5 }, () => ground.open()))
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1)
    await Promise.all(opened.map((registry) => registry.close()))
  })

  it('keeps one audit entry for each commit, under the revision it led to', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    const [first = 0] = await create(registry, tenant('acme'))
    const second = await change(registry, tenant('acme', { epoch: 2 }))
    const audits = (await ground.keys()).filter((key) => key.includes('/audit/'))
    expect(audits.map((key) => Number(key.split('/').at(-1)))).toEqual([first, second])
  })

  it('writes an audit entry over no other, also of commits that change nothing', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    await create(registry, tenant('acme'))
    for (const action of ['evict', 'fence']) await registry.commit({ audit: { ...audit, action } }, [])
    const keys = (await ground.keys()).filter((key) => key.includes('/audit/'))
    const read = (key: string) => consul.request('GET', `/v1/kv/${key}?raw`) as Promise<{ action: string }> // as committed
    const actions = (await Promise.all(keys.map(read))).map(({ action }) => action)
    expect(actions.toSorted()).toEqual(['change', 'evict', 'fence'])
  })

  it('shows by its audit what a hand took out of it, changed, or cut off', async () => {
    const tampering: [string, (prefix: string, names: string[]) => Promise<unknown>][] = [
      ['removed', (_, names) => consul.request('DELETE', `/v1/kv/${names[1]}`)],
      ['cut', (_, names) => consul.request('DELETE', `/v1/kv/${names.at(-1)}`)],
      ['moved', (prefix) => consul.request('DELETE', `/v1/kv/${prefix}/audit/head`)],
      ['unreadable', (_, names) => consul.request('PUT', `/v1/kv/${names[1]}`, { actor: 'somebody' })],
    ]
    for (const [kind, tamper] of tampering) {
      await using ground = newPrefix()
      const auditKey = newAuditKey()
      await using registry = await ground.open({ auditKey })
      for (let epoch = 1; epoch <= 3; epoch += 1) await change(registry, tenant('acme', { epoch }))
      const names = (await ground.keys()).filter((key) => /audit\/\d/.test(key))
      expect(await verdictOn(registry, auditKey)).toMatchObject({ whole: true, sealed: 3 })
      await tamper(ground.prefix, names)
      // Without its head, the next that is written begins a chain anew.
      if (kind === 'moved') await change(registry, tenant('acme', { epoch: 4 }))
      expect((await verdictOn(registry, auditKey)).fault?.kind).toBe(kind)
    }
  })

  it('is made by migrating it, and has then nothing to migrate', async () => {
    await using ground = newPrefix()
    const url = `consul://:${consul.token}@${consul.host}:${consul.port}/${ground.prefix}`
    const made = { backend: 'consul', from: 0, to: 1, readableFrom: 1, steps: ['new'] }
    expect(await migrateRegistry(url, true)).toEqual(made)
    // A dry run has made nothing: the next finds nothing either.
    expect(await migrateRegistry(url, true)).toEqual(made)
    expect(await migrateRegistry(url, false)).toEqual(made)
    expect(await migrateRegistry(url, false)).toEqual({ ...made, from: 1, steps: [] })
  })

  it('leaves nothing of a removed entry but its audit', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    const before = await ground.keys()
    await create(registry, alias('external', 'a/../b', 'acme'))
    expect((await ground.keys()).length).toBe(before.length + 3)
    await remove(registry, 'alias', 'external:a/../b')
    const left = (await ground.keys()).filter((key) => !key.includes('/audit/'))
    expect(left).toEqual(before)
  })

  it('notices a hand that changed an entry while it commits over it', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    await create(registry, tenant('acme'))
    await consul.request('PUT', `/v1/kv/${ground.prefix}/entry/tenant/acme`, { revision: 1, record: {} })
    await expect(registry.find('tenant', 'acme')).rejects.toBeInstanceOf(RegistryUnavailableError)
    await expect(change(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError)
  })

  it('refuses a commit that is too large for Consul whole', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    const many = Array.from({ length: 65 }, (_, i) => tenant(`t${i}`))
    await expect(create(registry, ...many)).rejects.toBeInstanceOf(UnsupportedError)
    expect((await registry.list('tenant')).entries).toEqual([])
    await create(registry, ...many.slice(0, 60))
    expect((await registry.list('tenant')).entries).toHaveLength(60)
  })

  it('says of a change of too many bytes that it is too large, and not that Consul is away', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    const large = tenant('acme')
    Object.assign(large.record, { ofALaterVersion: 'x'.repeat(400_000) })
    await expect(create(registry, large)).rejects.toBeInstanceOf(UnsupportedError)
    expect(await registry.find('tenant', 'acme')).toBeUndefined()
  })

  it('lists more entries than fit into one transaction', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    for (let part = 0; part < 3; part++) {
      await create(registry, ...Array.from({ length: 50 }, (_, i) => tenant(`p${part}-${i}`)))
    }
    expect((await registry.list('tenant', undefined, { limit: 1_000 })).entries).toHaveLength(150)
  })

  it('of a newer version is refused, unless that says it can be read', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    const path = `/v1/kv/${ground.prefix}/meta`
    await consul.request('PUT', path, { id: registry.id, schema: 2, readableFrom: 1 })
    await (await ground.open()).close()
    await consul.request('PUT', path, { id: registry.id, schema: 2, readableFrom: 2 })
    await expect(ground.open()).rejects.toBeInstanceOf(RegistryTooNewError)
  })

  it('works with the sample policies, each for what it is meant for', async () => {
    const [write, read] = await Promise.all(['write', 'read'].map((name) => tokenOf(name)))
    await using ground = newPrefix(write)
    await using writer = await ground.open()
    await create(writer, tenant('acme'))
    const url = `consul://:${read}@${consul.host}:${consul.port}/${ground.prefix}`
    await using reader = await ConsulRegistry.open(new Secret(url))
    await using followed = new Followed(reader)
    expect((await reader.find('tenant', 'acme'))?.record.id).toBe('acme')
    expect((await reader.list('tenant')).entries).toHaveLength(1)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    await expect(create(reader, tenant('globex'))).rejects.toThrow(/permission denied/)
  })

  it('names no token when it is refused or cannot be reached', async () => {
    const token = randomUUID()
    for (const url of [
      `consul://:${token}@${consul.host}:${consul.port}/tenantry`,
      `consul://:${token}@127.0.0.1:1/tenantry`,
    ]) {
      const refused = ConsulRegistry.open(new Secret(url))
      await expect(refused).rejects.toBeInstanceOf(RegistryUnavailableError)
      await expect(refused.catch((error: unknown) => inspect(error, { depth: 9 }))).resolves.not.toContain(
        token,
      )
    }
  })

  it.each([
    'consul://',
    'consul://h/p?token=canary',
    'consul://h/a b',
    'consul://h/p?ca=/x',
    'consul+https://h/p?ca=/absent',
  ])('refuses the URL %s', async (url) => {
    await expect(ConsulRegistry.open(new Secret(url))).rejects.toBeInstanceOf(InvalidConfigError)
  })

  it('answers in time that it cannot be asked while Consul is frozen, and follows on when it thaws', async () => {
    await using ground = newPrefix()
    const faults: Error[] = []
    await using registry = await ground.open({ timeoutMs: 500, onFault: (fault) => faults.push(fault) })
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    consul.pause()
    try {
      const before = performance.now()
      await expect(registry.find('tenant', 'acme')).rejects.toBeInstanceOf(RegistryUnavailableError)
      expect(performance.now() - before).toBeLessThan(1_500)
      await vi.waitFor(() => expect(faults.length).toBeGreaterThan(0), within5s)
    } finally {
      consul.resume()
    }
    const thawedAt = performance.now()
    await vi.waitFor(() => create(registry, tenant('acme')), within5s)
    await vi.waitFor(() => expect(followed.names()).toContain('tenant acme'), within5s)
    expect(performance.now() - thawedAt).toBeLessThan(5_000)
    expect(followed.resets).toBe(1)
  })

  it('is followed on after Consul was put back to a snapshot and its indexes with it; nothing older is believed', async () => {
    await using ground = newPrefix()
    await using registry = await ground.open()
    await create(registry, tenant('acme'))
    const snapshot = await consul.snapshot()
    const indexOf = async () =>
      (await consul.request('GET', `/v1/kv/${ground.prefix}/log`)) as [{ ModifyIndex: number }] // as the API documents
    await change(registry, tenant('acme', { epoch: 2, status: 'suspended' }))
    await using followed = new Followed(registry)
    await using directory = new Directory(registry)
    expect((await directory.tenant(acme))?.record.status).toBe('suspended')
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    const [before] = await indexOf()

    await consul.putBack(snapshot)
    const backAt = performance.now()
    const [after] = await indexOf()
    expect(after.ModifyIndex).toBeLessThan(before.ModifyIndex)
    await vi.waitFor(() => expect(followed.resets).toBe(2), within5s)
    await vi.waitFor(() => create(registry, tenant('globex')), within5s)
    await vi.waitFor(() => expect(followed.names()).toContain('tenant globex'), within5s)
    expect((await directory.tenant(parseTenantId('globex')))?.record.id).toBe('globex')
    // What is in Consul now is older than what was known.
    expect((await registry.find('tenant', 'acme'))?.record.status).toBe('active')
    expect((await directory.tenant(acme))?.record.status).toBe('suspended')
    expect(directory.stats().refused.older).toBeGreaterThan(0)
    expect(performance.now() - backAt).toBeLessThan(5_000)
    // It is watched as before: once a second, and at once when something changes.
    const heard = followed.heard
    const quietAt = performance.now()
    await vi.waitFor(() => expect(followed.heard - heard).toBeGreaterThanOrEqual(2), within5s)
    expect(performance.now() - quietAt).toBeGreaterThan(500)
  })
})

async function tokenOf(policy: string): Promise<string> {
  const rules = await readFile(new URL(`../../registry/consul/${policy}.hcl`, import.meta.url), 'utf8')
  return consul.createToken(`${policy}-${randomUUID()}`, rules)
}

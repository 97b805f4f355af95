import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { InvalidConfigError, RegistryTooNewError, RegistryUnavailableError } from '../../src/errors.ts'
import { FileRegistry, type FileRegistryOptions } from '../../src/registry/file/file-registry.ts'
import { describeRegistry } from './conformance.ts'
import { newAuditKey } from './conformance-trail.ts'
import { Followed } from './followed.ts'
import { audit, change, create, server, tenant } from './records.ts'

let folder: string
let made = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenantry-file-registry-'))
})
afterAll(() => rm(folder, { recursive: true }))

const newPath = () => join(folder, `${++made}`, 'registry.yaml')
const seen = { timeout: 2_000, interval: 10 }

describeRegistry('file', async () => {
  const path = newPath()
  return {
    open: (options?: FileRegistryOptions) => FileRegistry.open(path, options),
    [Symbol.asyncDispose]: async () => {},
  }
})

describe('a registry file', () => {
  it('is readable by its owner only, and so is the audit beside it', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path, { auditKey: newAuditKey() })
    await create(registry, tenant('acme'))
    for (const name of [path, `${path}.audit.jsonl`, `${path}.audit.head`])
      expect((await stat(name)).mode & 0o777).toBe(0o600)
  })

  it('has one line of audit for each commit, with the revision it led to', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    const [revision] = await create(registry, tenant('acme'))
    await change(registry, tenant('acme', { epoch: 2 }))
    const lines = (await readFile(`${path}.audit.jsonl`, 'utf8')).trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[0] ?? '')).toEqual({ revision, ...audit, tenant: 'acme', seal: null })
  })

  it('is taken over within two seconds after it was edited by hand, with a new revision', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await using replica = await FileRegistry.open(path)
    const [revision = 0] = await create(registry, tenant('acme'), tenant('globex'))
    await using followed = new Followed(replica)
    await vi.waitFor(() => expect(followed.resets).toBe(1), seen)
    await edit(path, (text) => text.replace('status: active', 'status: suspended'))
    await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme']), seen)
    for (const each of [registry, replica]) {
      const entry = await each.find('tenant', 'acme')
      expect(entry?.record.status).toBe('suspended')
      expect(entry?.revision).toBeGreaterThan(revision + 1)
      expect((await each.find('tenant', 'globex'))?.revision).toBe(revision + 1)
    }
  })

  it('tells of what a hand added and removed', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await create(registry, server('main'))
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), seen)
    await edit(path, (text) => text.replaceAll(/\bmain\b/g, 'other').replace(/^ {4}revision: \d+\n/m, ''))
    await vi.waitFor(() => expect(followed.names().sort()).toEqual(['server main', 'server other']), seen)
    expect(await registry.find('server', 'main')).toBeUndefined()
    expect((await registry.find('server', 'other'))?.revision).toBeGreaterThan(1)
  })

  it('never goes back to old revisions when an older file is put in its place', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await create(registry, tenant('acme'))
    const old = await readFile(path, 'utf8')
    const newest = await change(registry, tenant('acme', { status: 'suspended' }))
    const generation = await registry.nextGeneration()
    await edit(path, () => old)
    await vi.waitFor(
      async () => expect((await registry.find('tenant', 'acme'))?.record.status).toBe('active'),
      seen,
    )
    expect((await registry.find('tenant', 'acme'))?.revision).toBeGreaterThan(newest)
    expect(await registry.nextGeneration()).toBeGreaterThan(generation)
  })

  it('with a fault is refused by line and field, and the last good state stays in use until it is mended', async () => {
    const path = newPath()
    const faults: Error[] = []
    await using registry = await FileRegistry.open(path, { onFault: (fault) => faults.push(fault) })
    await create(registry, tenant('acme'))
    const good = await readFile(path, 'utf8')
    await edit(path, (text) => text.replace('status: active', 'status: canary-asleep'))
    const line = good.split('\n').findIndex((text) => text.includes('status: active')) + 1
    await vi.waitFor(() => expect(faults).toHaveLength(1), seen)
    expect(faults[0]?.message).toContain(`registry.yaml:${line}: tenants.acme.status: `)
    expect(faults[0]?.message).not.toContain('canary')
    expect((await registry.find('tenant', 'acme'))?.record.status).toBe('active')
    await expect(registry.find('tenant', 'globex')).rejects.toBeInstanceOf(RegistryUnavailableError)
    await expect(create(registry, tenant('globex'))).rejects.toBeInstanceOf(RegistryUnavailableError)
    await expect(FileRegistry.open(path)).rejects.toBeInstanceOf(InvalidConfigError)
    await edit(path, () => good)
    expect(await registry.find('tenant', 'globex')).toBeUndefined()
    await create(registry, tenant('globex'))
    expect(faults).toHaveLength(1)
  })

  it('is refused for what is not YAML, cut off, another registry, or empty', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await create(registry, tenant('acme'), tenant('globex'))
    const good = await readFile(path, 'utf8')
    const bad = [
      good.replace('tenants:', 'tenants: ['),
      good.slice(0, good.indexOf('globex')),
      good.slice(0, good.indexOf('complete')),
      good.replace(registry.id, '11111111-1111-4111-8111-111111111111'),
      good.replace('id: acme', 'id: acne'),
      good.replace('epoch: 1', 'epoch: 0'),
      '',
    ]
    for (const text of bad) {
      await edit(path, () => text)
      await expect(registry.find('tenant', 'initech')).rejects.toBeInstanceOf(RegistryUnavailableError)
      expect((await registry.find('tenant', 'acme'))?.record.id).toBe('acme')
    }
  })

  it('that a newer version wrote is refused', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await edit(path, (text) => text.replace('schema: 1', 'schema: 2'))
    await expect(FileRegistry.open(path)).rejects.toBeInstanceOf(RegistryTooNewError)
    await expect(create(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError)
  })

  it('that is gone makes the registry unavailable, not empty', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await create(registry, tenant('acme'))
    await rm(path)
    await expect(registry.find('tenant', 'acme')).rejects.toBeInstanceOf(RegistryUnavailableError)
    await expect(registry.list('tenant')).rejects.toBeInstanceOf(RegistryUnavailableError)
  })

  it('is written in spite of a lock and a half-written copy that a killed process left', async () => {
    const path = newPath()
    await using registry = await FileRegistry.open(path)
    await writeFile(`${path}.new`, 'half', { mode: 0o644 })
    await mkdir(`${path}.lock`)
    await utimes(`${path}.lock`, new Date(0), new Date(0))
    await create(registry, tenant('acme'))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })
})

/** As an editor does it: in place, not by rename. */
async function edit(path: string, change: (text: string) => string): Promise<void> {
  await writeFile(path, change(await readFile(path, 'utf8')))
}

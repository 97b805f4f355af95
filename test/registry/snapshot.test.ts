import { execFileSync } from 'node:child_process'
import { lstat, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { Directory } from '../../src/registry/directory.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { tenantPasswordBinding } from '../../src/registry/route.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import type { Snapshot } from '../../src/registry/snapshot/snapshot.ts'
import { SnapshotFile } from '../../src/registry/snapshot/snapshot-file.ts'
import { SnapshotKeeper } from '../../src/registry/snapshot/snapshot-keeper.ts'
import { Secret } from '../../src/secret.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { ControlledRegistry } from './controlled-registry.ts'
import { startDirectory } from './directory-ground.ts'
import { server, tenant, tenantKey, tenantRecord } from './records.ts'

const SOURCE = 'postgres://tenantry:canary-pw@db.example:5432/registry?sslmode=require'
const acme = parseTenantId('acme')
const seen = { timeout: 5_000, interval: 5 }

async function newFile(keys = MasterKeys.fromText(generateMasterKey()), source = SOURCE) {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-snapshot-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'snapshot')
  return { path, keys, file: new SnapshotFile(path, keys, source) }
}

function snapshotOf(registry = 'r-1', knownAt = 1_000): Snapshot {
  const puts = [tenant('acme'), server('main'), tenantKey('abcdefghijkl', 'acme')]
  return {
    registry,
    writtenAt: 2_000,
    entries: puts.map((put, index) => ({ entry: { ...put, revision: index + 1 }, knownAt })),
  }
}

describe('a snapshot of a directory', () => {
  it('is read as it was written, and only its owner may read it', async () => {
    const { file, path } = await newFile()
    expect(await file.read()).toBeUndefined()
    for (const id of ['r-1', 'r-2']) {
      await file.write(snapshotOf(id))
      expect(await file.read()).toEqual(snapshotOf(id))
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('holds no secret that is not sealed, and no credentials of the registry', async () => {
    const { file, path, keys } = await newFile()
    const binding = tenantPasswordBinding('r-1', { id: acme, generation: 1 })
    const password = new Sealer(keys).seal(new Secret('canary-tenant'), binding)
    const record = tenantRecord('acme')
    const sealed = tenant('acme', { route: { ...record.route, password } })
    await file.write({ ...snapshotOf(), entries: [{ entry: { ...sealed, revision: 1 }, knownAt: 1 }] })
    const text = await readFile(path, 'utf8')
    expect(text).toContain(password.ciphertext)
    expect(text).not.toContain('canary')
  })

  it('is refused when a bit of it was changed, a line is missing, or it was cut anywhere', async () => {
    const { file, path } = await newFile()
    await file.write(snapshotOf())
    const whole = await readFile(path, 'utf8')
    const lines = whole.split('\n')
    const wrong = [
      whole.replace('"status":"active"', '"status":"deleted"'),
      whole.replace('"writtenAt":2000', '"writtenAt":9000'),
      lines.toSpliced(2, 1).join('\n'),
      whole.replace(/"hmacSha256":"./, '"hmacSha256":"_'),
      '',
      '{}\n',
      ...Array.from({ length: 40 }, (_, i) => whole.slice(0, Math.floor((whole.length * i) / 40))),
    ]
    for (const text of wrong) {
      await writeFile(path, text)
      await expect(file.read()).rejects.toThrow(/the snapshot .* is not used: it/)
    }
  })

  it('is refused of another master key, another registry, and a version to come; a rotated key still opens it', async () => {
    const [old, young] = [generateMasterKey().reveal(), generateMasterKey().reveal()]
    const { file, path } = await newFile(MasterKeys.fromText(old))
    await file.write(snapshotOf())
    const as = (keys: string, source = SOURCE) => new SnapshotFile(path, MasterKeys.fromText(keys), source)
    await expect(as(young).read()).rejects.toThrow('a master key that this process does not have')
    const sameKid = `${old.split(':')[0]}:${young.split(':')[1]}`
    await expect(as(sameKid).read()).rejects.toThrow('its signature is wrong')
    await expect(as(old, 'consul://c.example/tenantry').read()).rejects.toThrow(
      'it is of the registry at postgres://db.example:5432/registry',
    )
    expect(await as(`${young},${old}`, SOURCE.replace('canary-pw', 'rotated')).read()).toEqual(snapshotOf())
    await writeFile(
      path,
      (await readFile(path, 'utf8')).replace('"tenantrySnapshot":1', '"tenantrySnapshot":2'),
    )
    await expect(file.read()).rejects.toThrow('it is of version 2, this process knows up to 1')
  })

  it('is not written through a link that somebody left where it is made', async () => {
    const { file, path } = await newFile()
    const victim = `${path}-victim`
    await writeFile(victim, 'precious')
    await symlink(victim, `${path}.new`)
    await file.write(snapshotOf())
    expect(await readFile(victim, 'utf8')).toBe('precious')
    expect((await file.read())?.entries).toHaveLength(3)
    expect((await lstat(path)).isFile()).toBe(true)
  })

  it('is not waited for where it is no file', async () => {
    const { file, path } = await newFile()
    execFileSync('mkfifo', [path])
    await expect(file.read()).rejects.toThrow('it is not a file')
  })

  it('is written whole by two processes that share it', async () => {
    const { file, path, keys } = await newFile()
    const other = new SnapshotFile(path, keys, SOURCE)
    await Promise.all([file, other, file, other].map((one, i) => one.write(snapshotOf(`r-${i}`))))
    expect((await file.read())?.entries).toHaveLength(3)
  })

  it('leaves out the least recently used records beyond its bound', async () => {
    const { keys, path } = await newFile()
    const file = new SnapshotFile(path, keys, SOURCE, 10_000)
    const entries = Array.from({ length: 100 }, (_, i) => ({
      entry: { ...tenant(`t${i}`), revision: 1 },
      knownAt: 1,
    }))
    await file.write({ ...snapshotOf(), entries })
    const read = (await file.read())?.entries ?? []
    expect(read.length).toBeGreaterThan(10)
    expect(read).toEqual(entries.slice(0, read.length))
    expect((await stat(path)).size).toBeLessThanOrEqual(10_000)
    await writeFile(path, 'x'.repeat(10_001))
    await expect(file.read()).rejects.toThrow('it has 10001 bytes, at most 10000 are read')
  })

  it('of another version gives what this one can read', async () => {
    const { file } = await newFile()
    const [first, second] = snapshotOf().entries
    const odd = { entry: { ...tenant('odd'), id: 'else', revision: 1 }, knownAt: 1 }
    await file.write({
      ...snapshotOf(),
      entries: [first, odd, second].filter((entry) => entry !== undefined),
    })
    expect((await file.read())?.entries).toEqual([first, second])
  })
})

describe('a directory that is kept', () => {
  it('is written when it has learnt something, not more often than it may, and when it is closed', async () => {
    const { file } = await newFile()
    await using world = await startDirectory()
    const write = vi.spyOn(file, 'write')
    const keeper = new SnapshotKeeper(file, world.directory, world.registry, () => {}, { everyMs: 50 })
    await world.directory.tenant(acme)
    await vi.waitFor(async () => expect((await file.read())?.entries).toHaveLength(1), seen)
    const written = write.mock.calls.length
    for (let i = 0; i < 100; i++) await world.directory.tenant(acme)
    world.registry.put(tenant('globex'))
    await world.registry.heard()
    await world.directory.tenant(parseTenantId('globex'))
    await keeper.close()
    await keeper.close()
    expect(write.mock.calls.length - written).toBeLessThanOrEqual(2)
    expect((await file.read())?.entries.map(({ entry }) => entry.id)).toEqual(['globex', 'acme'])
  })

  it('is written now and then while nothing is new: what is held is known to be true for longer', async () => {
    const { file } = await newFile()
    await using world = await startDirectory()
    await using registry = new ControlledRegistry()
    await world.directory.tenant(acme)
    const times = { everyMs: 20, freshEveryMs: 60 }
    const keeper = new SnapshotKeeper(file, world.directory, registry, () => {}, times)
    onTestFinished(() => keeper.close())
    const knownAt = async () => (await file.read())?.entries[0]?.knownAt ?? 0
    await vi.waitFor(async () => expect(await knownAt()).toBeGreaterThan(0), seen)
    const first = await knownAt()
    await vi.waitFor(async () => expect(await knownAt()).toBeGreaterThan(first), seen)
    world.registry.mute()
    const write = vi.spyOn(file, 'write')
    // The registry is silent: nothing is known for longer, and the file is left as it is.
    await vi.waitFor(() => expect(world.directory.stalenessSeconds()).toBeGreaterThan(0.3), seen)
    write.mockClear()
    await vi.waitFor(() => expect(world.directory.stalenessSeconds()).toBeGreaterThan(0.6), seen)
    expect(write).not.toHaveBeenCalled()
  })

  it('says so when its file cannot be written, and goes on', async () => {
    const { file } = await newFile()
    const nowhere = new SnapshotFile('/dev/null/snapshot', MasterKeys.fromText(generateMasterKey()), SOURCE)
    await using world = await startDirectory()
    const faults: unknown[] = []
    const keeper = new SnapshotKeeper(nowhere, world.directory, world.registry, (fault) => faults.push(fault))
    await world.directory.tenant(acme)
    await keeper.close()
    expect(inspect(faults)).toMatch(/the snapshot cannot be written[^]*\/dev\/null/)
    expect(await file.read()).toBeUndefined()
  })

  it('gives its records to the next one, which serves them while the registry is down, ages included', async () => {
    await using before = await startDirectory()
    before.registry.put(tenant('asleep', { status: 'suspended' }))
    await before.registry.heard()
    const asleep = parseTenantId('asleep')
    await Promise.all([before.directory.tenant(acme), before.directory.tenant(asleep)])
    const registry = new ControlledRegistry()
    registry.mode = 'down'
    await using young = new Directory(registry, { staleMaxMs: 60_000 })
    const now = Date.now()
    young.restore(before.directory.held(now), now)
    expect((await young.tenant(acme))?.record.status).toBe('active')
    await expect(young.tenant(parseTenantId('nobody'))).rejects.toBeInstanceOf(RegistryUnavailableError)
    await using old = new Directory(registry, { staleMaxMs: 60_000 })
    old.restore(before.directory.held(now), now + 61_000)
    await expect(old.tenant(acme)).rejects.toBeInstanceOf(RegistryUnavailableError)
    expect((await old.tenant(asleep))?.record.status).toBe('suspended')

    registry.put(tenant('other'))
    registry.put(tenant('acme', { status: 'suspended' }))
    registry.mode = 'up'
    await registry.heard()
    await vi.waitFor(async () => expect((await young.tenant(acme))?.record.status).toBe('suspended'), seen)
  })
})

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { Directory } from '../../src/registry/directory.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startConsul } from '../support/consul.ts'
import { startPostgres } from '../support/postgres.ts'
import { alias, change, create, tenant } from './records.ts'

const acme = parseTenantId('acme')
const globex = parseTenantId('globex')
const initech = parseTenantId('initech')
const recovers = { timeout: 10_000, interval: 50 }

interface Backend extends AsyncDisposable {
  readonly url: string
  stop(): Promise<void>
  start(): Promise<void>
}

async function filesystem(): Promise<Backend> {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-outage-'))
  const path = join(folder, 'registry.yaml')
  let content = ''
  return {
    url: `file:${path}`,
    stop: async () => {
      content = await readFile(path, 'utf8')
      await rm(path)
    },
    start: () => writeFile(path, content),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

async function postgres(): Promise<Backend> {
  const server = await startPostgres()
  return {
    url: server.dsn(),
    stop: () => server.kill9(),
    start: () => server.restart(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

async function consul(): Promise<Backend> {
  const server = await startConsul()
  return {
    url: `consul://:${server.token}@${server.host}:${server.port}/tenantry`,
    stop: () => server.halt(),
    start: () => server.start(),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** Knows `acme`, `globex` (suspended) and that there is no `initech`. */
async function knowingDirectory(registry: Registry): Promise<Directory> {
  await create(registry, tenant('acme'), tenant('globex', { status: 'suspended' }))
  await create(registry, alias('hostname', 'acme.example', 'acme'))
  const directory = new Directory(registry, { silenceMs: 1_500, readTimeoutMs: 1_000 })
  await directory.tenant(globex)
  await directory.tenant(initech)
  await directory.tenantByAlias('hostname', 'acme.example')
  return directory
}

async function expectKnownOnly(directory: Directory): Promise<void> {
  expect((await directory.tenant(acme))?.record.status).toBe('active')
  expect((await directory.tenantByAlias('hostname', 'acme.example'))?.record.id).toBe('acme')
  expect((await directory.tenant(globex))?.record.status).toBe('suspended')
  await expect(directory.tenant(parseTenantId('never-seen'))).rejects.toBeInstanceOf(RegistryUnavailableError)
}

describe.each([
  ['file', filesystem],
  ['postgres', postgres],
  ['consul', consul],
] as const)('an outage of a %s registry', (_name, start) => {
  it('stops no known tenant, knows nothing of others, and is over when the registry is back', async () => {
    await using backend = await start()
    await using registry = await openRegistry(backend.url)
    await using directory = await knowingDirectory(registry)
    await backend.stop()
    await expectKnownOnly(directory)
    // Long enough for what was known to count as known no longer.
    await vi.waitFor(() => expect(directory.stalenessSeconds()).toBeGreaterThan(1.6), recovers)
    await expectKnownOnly(directory)
    await expect(directory.tenant(initech)).rejects.toBeInstanceOf(RegistryUnavailableError)
    expect(directory.stats().staleServed).toBeGreaterThan(0)
    await backend.start()
    const backAt = performance.now()
    await vi.waitFor(() => change(registry, tenant('globex')), recovers)
    await vi.waitFor(
      async () => expect((await directory.tenant(globex))?.record.status).toBe('active'),
      recovers,
    )
    await vi.waitFor(async () => expect(await directory.tenant(initech)).toBeUndefined(), recovers)
    await vi.waitFor(() => expect(directory.stalenessSeconds()).toBeLessThan(1.5), recovers)
    expect(performance.now() - backAt).toBeLessThan(5_000)
  })
})

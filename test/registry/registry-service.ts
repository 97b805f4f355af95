import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import { readServiceSettings } from '../../src/config.ts'
import { formatApiKey, makeKey } from '../../src/registry/api-key.ts'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import type { Put } from '../../src/registry/registry.ts'
import { startService } from '../../src/server.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { ChildService } from '../http/child-service.ts'
import { ServiceWorld } from '../http/service-world.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { newManagementDatabase } from './management-database.ts'
import { create } from './records.ts'

/** A registry in Postgres behind a fault proxy, and services over it, one after another, that share a snapshot file. */
export async function startRegistryService() {
  const database = await newManagementDatabase()
  const server = sharedPostgres()
  const proxy = await startFaultProxy({ host: server.host, port: server.port })
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-start-'))
  onTestFinished(async () => {
    await proxy.close()
    await rm(folder, { recursive: true, force: true })
  })
  const url = new URL(server.dsn(database.name))
  url.host = `${proxy.host}:${proxy.port}`
  const admin = await firstKey(database)
  const variables: Record<string, string> = {
    TENANTRY_REGISTRY_URL: url.href,
    TENANTRY_MASTER_KEY: generateMasterKey().reveal(),
    TENANTRY_PORT: '0',
    TENANTRY_OPS_PORT: '0',
  }
  const snapshot = join(folder, 'snapshot')
  return {
    database,
    proxy,
    snapshot,
    url: url.href,
    /** Keeps whoever opens the registry waiting, until it is ended. */
    lockSchema: async () => {
      const client = await server.connect(database.name)
      await client.query('begin; lock table tenantry_registry.migration in access exclusive mode')
      return client
    },
    /** As `serve`, in a process of its own that is started with these variables too. */
    serveApart: async (settings: Readonly<Record<string, string>>): Promise<ServiceWorld> => {
      const logLines: string[] = []
      const own = await mkdtemp(join(tmpdir(), 'tenantry-serve-'))
      const child = await ChildService.start({ ...variables, ...settings }, logLines)
      return new ServiceWorld(child, admin, own, logLines)
    },
    masterKey: variables['TENANTRY_MASTER_KEY'] ?? '',
    /** @param settings by their full names; `TENANTRY_SNAPSHOT_FILE: ''` for none. */
    serve: async (settings: Record<string, string> = {}): Promise<ServiceWorld> => {
      const logLines: string[] = []
      const log = openLog('debug', { write: (line: string) => void logLines.push(line) })
      const all = { ...variables, TENANTRY_SNAPSHOT_FILE: snapshot, ...settings }
      const own = await mkdtemp(join(tmpdir(), 'tenantry-serve-'))
      return new ServiceWorld(await startService(readServiceSettings(all), { log }), admin, own, logLines)
    },
  }
}

async function firstKey(database: Awaited<ReturnType<typeof newManagementDatabase>>): Promise<string> {
  await using registry = await database.open()
  const { id, hash, ...made } = makeKey()
  const record: Put & { kind: 'key' } = {
    kind: 'key',
    id,
    record: {
      id,
      scope: { kind: 'operator', role: 'admin' },
      secretHash: hash,
      readOnly: false,
      name: 'first',
      createdAt: '2026-01-01T00:00:00.000Z',
      expiresAt: null,
      revokedAt: null,
    },
  }
  await create(registry, record)
  return formatApiKey({ id, ...made }).reveal()
}

/** Milliseconds until the service says that it is ready. */
export async function untilReady(world: ServiceWorld): Promise<number> {
  const began = performance.now()
  await vi.waitFor(
    async () => {
      const { status } = await world.operate('/readyz')
      if (status !== 200) throw new Error(`not ready: ${status}`)
    },
    { timeout: 15_000, interval: 20 },
  )
  return performance.now() - began
}

import { expect } from 'vitest'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../../src/lifecycle/provision/spare/make-spares.ts'
import { addServer } from '../../../src/lifecycle/server/add-server.ts'
import { generateMasterKey, MasterKeys } from '../../../src/registry/master-keys.ts'
import { openRegistry } from '../../../src/registry/open-registry.ts'
import { Sealer } from '../../../src/registry/sealing.ts'
import { Secret } from '../../../src/secret.ts'
import { startPostgres } from '../../support/postgres.ts'

export interface RateRun {
  readonly version: 15 | 18
  /** Made from spares, one after another. */
  readonly spares: number
  /** Made without, so many at a time. */
  readonly fresh: number
  readonly atOnce: number
}

export interface Rates {
  /** Milliseconds from a call to its answer, from a spare. */
  readonly spareP50Ms: number
  readonly spareP99Ms: number
  /** Databases a second. */
  readonly bare: number
  readonly provisioned: number
}

/**
 * Provisions beside bare CREATE DATABASE, on a server of its own with the registry in a database of it, in alternating
 * rounds. @throws where one tenant fails.
 */
export async function measureRates({ version, spares, fresh, atOnce }: RateRun): Promise<Rates> {
  await using server = await startPostgres({ version, settings: { max_connections: '200' } })
  await server.createRole('maker', 'pw', 'createdb createrole')
  await server.createDatabase('registry')
  await using registry = await openRegistry(new Secret(server.dsn('registry')))
  const sealer = () => new Sealer(MasterKeys.fromText(generateMasterKey()))
  const parts = { registry, sealer: sealer(), adminSealer: sealer(), scramIterations: 1 }
  await addServer(parts, { id: 'main', dsn: server.dsn('postgres', 'maker', 'pw') }, 'test')

  await (await startSpares(parts, 'main', { count: spares }, 'test')).result
  const spareMs: number[] = []
  for (let n = 0; n < spares; n += 1) spareMs.push(await timed(() => make(parts, `spare-${n}`, true)))
  spareMs.sort((a, b) => a - b)

  const rounds = 4
  const each = Math.ceil(fresh / rounds)
  const seconds = { bare: 0, provisioned: 0 }
  for (let round = 0; round < rounds; round += 1) {
    const names = Array.from({ length: each }, (_, n) => `${round}-${n}`)
    const sessions = await Promise.all(Array.from({ length: atOnce }, () => server.connect()))
    const bare = (name: string, worker: number) => sessions[worker]?.query(`create database "bare-${name}"`)
    seconds.bare += (await timed(() => pooled(names, atOnce, bare))) / 1_000
    for (const session of sessions) await session.end()
    const provisioned = (name: string) => make(parts, `t-${name}`, false)
    seconds.provisioned += (await timed(() => pooled(names, atOnce, provisioned))) / 1_000
  }
  const { entries } = await registry.list('tenant', undefined, { limit: 1000, status: 'active' })
  expect(entries).toHaveLength(Math.min(1000, spares + each * rounds))
  const at = (share: number) => spareMs[Math.min(spareMs.length - 1, Math.floor(spareMs.length * share))] ?? 0
  return {
    spareP50Ms: at(0.5),
    spareP99Ms: at(0.99),
    bare: (each * rounds) / seconds.bare,
    provisioned: (each * rounds) / seconds.provisioned,
  }
}

async function make(parts: LifecycleParts, id: string, spare: boolean): Promise<void> {
  const { tenant } = await provisionTenant(parts, { id, spare }, 'test')
  if (tenant.status !== 'active') throw new Error(`${id} is ${tenant.status}`)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** Each name once, by so many workers side by side. */
async function pooled(
  names: readonly string[],
  workers: number,
  work: (name: string, worker: number) => Promise<unknown> | undefined,
): Promise<void> {
  const left = [...names]
  const all = Array.from({ length: workers }, async (_, worker) => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await work(name, worker)
  })
  await Promise.all(all)
}

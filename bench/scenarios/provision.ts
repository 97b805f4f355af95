import pg from 'pg'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../src/lifecycle/provision/spare/make-spares.ts'
import { type Fleet, openFleet } from '../lifecycle/fleet.ts'
import { median } from '../report/median.ts'
import type { Figures, Scenario, Stage } from '../scenario.ts'

const AT_ONCE = 4
/** Made beforehand and taken one after another, by one run. */
const SPARES = 20

/** A server that nobody else is on. */
export const EMPTY = { databases: 1, maxConnections: 100, tls: false } as const

export const provision: Scenario = {
  name: 'provision',
  title: `databases made, ${AT_ONCE} at once`,
  against: 'bare CREATE DATABASE',
  needs: EMPTY,
  isInProcess: true,
  latenciesMs: [0],
  goals: [
    { figure: 'perSecond', of: 'ratio', bound: 'at least', value: 0.7, label: 'tenants/s / databases/s' },
  ],
  shown: ['perSecond', 'made'],
  prepare: async (stage) => [
    {
      name: 'tenantry',
      description: 'tenants: database, four roles, grants, stamp, proofs and records',
      run: async () => {
        await using fleet = await openFleet(stage)
        const make = (n: number) => provisionTenant(fleet.parts, { id: `tenant-${n}`, spare: false }, 'bench')
        return await rate(stage, () => Promise.resolve(make))
      },
    },
    {
      name: 'create-database',
      description: 'CREATE DATABASE over open connections of the same role',
      run: async () => {
        await using fleet = await openFleet(stage)
        const clients: pg.Client[] = []
        try {
          return await rate(stage, async () => {
            const client = new pg.Client(fleet.dsn)
            clients.push(client)
            await client.connect()
            return (n) => client.query(`create database bare_${n}`)
          })
        } finally {
          await Promise.all(clients.map((client) => client.end()))
        }
      },
    },
  ],
}

export const provisionSpare: Scenario = {
  name: 'provision-spare',
  title: 'a tenant made of a database that is ready',
  against: '',
  needs: EMPTY,
  isInProcess: true,
  latenciesMs: [0],
  goals: [{ figure: 'p50', of: 'own', bound: 'at most', value: 25, label: 'p50, ms' }],
  shown: ['p50', 'slowestMs'],
  prepare: async (stage) => [
    {
      name: 'tenantry',
      description: 'one after another, from the call to its answer',
      run: async () => {
        await using fleet = await openFleet(stage)
        return await claims(fleet)
      },
    },
  ],
}

/** @param open a worker, outside of the measured time. */
async function rate(
  { seconds }: Stage,
  open: () => Promise<(n: number) => Promise<unknown>>,
): Promise<Figures> {
  const workers = await Promise.all(Array.from({ length: AT_ONCE }, open))
  let begun = 0
  let made = 0
  let errors = 0
  const from = performance.now()
  const isOver = () => performance.now() - from >= seconds * 1_000
  const all = workers.map(async (make) => {
    while (!isOver()) {
      begun += 1
      try {
        await make(begun)
        made += 1
      } catch {
        errors += 1
      }
    }
  })
  await Promise.all(all)
  return { perSecond: (made * 1_000) / (performance.now() - from), made, errors, wrong: 0 }
}

async function claims({ parts }: Fleet): Promise<Figures> {
  await (await startSpares(parts, 'main', { count: SPARES }, 'bench')).result
  const times: number[] = []
  for (let n = 1; n <= SPARES; n += 1) {
    const from = performance.now()
    await provisionTenant(parts, { id: `tenant-${n}` }, 'bench')
    times.push(performance.now() - from)
  }
  // Each of them must have been taken: a tenant made anew would be another measurement.
  const left = (await parts.registry.find('server', 'main'))?.record.spares?.ready.length ?? 0
  return { p50: median(times), slowestMs: Math.max(...times), errors: left, wrong: 0 }
}

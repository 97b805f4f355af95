import pg from 'pg'
import { openRegistry } from '../../src/registry/open-registry.ts'
import { Secret } from '../../src/secret.ts'
import { managementDatabase } from '../ground/management-database.ts'
import { makeCrowd } from '../registry/crowd.ts'
import { looksAt, NOTHING, namesOf } from '../registry/looks.ts'
import type { Figures, Scenario, Stage } from '../scenario.ts'
import { EMPTY } from './provision.ts'

const TENANTS = 1_000_000
/** Of each kind, after as many that warm up. */
const ROUNDS = 200

export const crowd: Scenario = {
  name: 'crowd',
  title: `looks at a registry of ${TENANTS.toLocaleString('en')} tenants`,
  against: '',
  needs: EMPTY,
  isInProcess: true,
  latenciesMs: [0],
  pairs: 1,
  goals: [
    { figure: 'slowest', of: 'own', bound: 'at most', value: 20, label: 'p99 of the slowest kind, ms' },
  ],
  shown: ['slowest', ...looksAt([]).map(({ name }) => name)],
  prepare: async (stage) => [
    {
      name: 'tenantry',
      description: 'p99 of each kind, milliseconds, from the call to its answer; records in Postgres',
      run: () => looks(stage),
    },
  ],
}

async function looks({ ground }: Stage): Promise<Figures> {
  const dsn = await managementDatabase(ground)
  await using registry = await openRegistry(new Secret(dsn))
  const database = new pg.Client(ground.adminDsn(new URL(dsn).pathname.slice(1)))
  await database.connect()
  try {
    await makeCrowd(database, TENANTS)
  } finally {
    await database.end()
  }
  const p99: Record<string, number> = {}
  let wrong = 0
  for (const { name, run } of looksAt(await namesOf(registry, ROUNDS))) {
    const times: number[] = []
    let found = 0
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      const from = performance.now()
      found += await run(registry)
      if (round >= ROUNDS) times.push(performance.now() - from)
    }
    p99[name] = times.toSorted((a, b) => a - b)[Math.floor(ROUNDS * 0.99)] ?? Number.NaN
    if (found === 0 && name !== NOTHING) wrong += 1
  }
  return { ...p99, slowest: Math.max(...Object.values(p99)), errors: 0, wrong }
}

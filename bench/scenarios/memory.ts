import { managementDatabase } from '../ground/management-database.ts'
import { makeOurRegistry, type OurRegistry } from '../ground/our-registry.ts'
import { type BenchTenant, tenantsOn } from '../ground/tenants.ts'
import { drive, type LoadShape } from '../load/http-side.ts'
import { faultsOf } from '../load/load-figures.ts'
import type { GroupReport, LoadReport } from '../load/load-job.ts'
import { median } from '../report/median.ts'
import type { Figures, Scenario, Stage } from '../scenario.ts'
import { type Held, heldBy, PROBE_FLAGS } from '../tenantry/held-memory.ts'
import { startService } from '../tenantry/service.ts'

const KNOWN = 10_000
const USED = 1_000
const OPEN = 100
/** Rounds of load once all were used, each followed by a look at what is held. */
const ROUNDS = 8
/** Until every tenant was asked. */
const MAX_ROUNDS = 40
const MB = 1_048_576

/** Twenty databases are enough: what is held for a tenant does not depend on whose its database is. */
const CROWD = { databases: 20, maxConnections: 1_060, tls: true } as const

export const memory: Scenario = {
  name: 'memory',
  title: `${KNOWN} tenants known, ${USED} used, ${OPEN} connections open`,
  against: '',
  needs: CROWD,
  latenciesMs: [0],
  pairs: 1,
  goals: [
    { figure: 'rssMb', of: 'own', bound: 'at most', value: 250, label: 'RSS after gc, MB' },
    {
      figure: 'growth',
      of: 'own',
      bound: 'at most',
      value: 1.05,
      label: 'RSS of the last rounds / the first',
    },
  ],
  shown: ['rssMb', 'firstRssMb', 'heapMb', 'maxConnections'],
  async prepare(stage) {
    const tenants = tenantsOn(stage.ground, KNOWN)
    const registry = await registryFor(stage, tenants, { budget: OPEN, tls: false })
    const run = () => rounds(stage, registry, tenants.slice(0, USED))
    return [{ name: 'tenantry', description: 'tenantry serve, records in Postgres', run }]
  },
}

function idleConnection(tls: boolean, goalKb: number): Scenario {
  const way = tls ? 'with TLS' : 'without TLS'
  return {
    name: tls ? 'idle-connection-tls' : 'idle-connection',
    title: `one more idle connection, 100 to 1,000, ${way}`,
    against: '',
    needs: CROWD,
    latenciesMs: [0],
    pairs: 1,
    goals: [{ figure: 'heapKb', of: 'own', bound: 'at most', value: goalKb, label: 'heap, KiB' }],
    shown: ['heapKb', 'externalKb', 'rssKb', 'maxConnections'],
    async prepare(stage) {
      const tenants = tenantsOn(stage.ground, 1_000)
      const registry = await registryFor(stage, tenants, { budget: 1_000, tls })
      const run = () => slope(stage, registry, tenants)
      return [{ name: 'tenantry', description: `tenantry serve, budget 1,000, ${way}`, run }]
    },
  }
}

export const idleConnectionPlain = idleConnection(false, 100)
export const idleConnectionTls = idleConnection(true, 130)

async function registryFor(
  { ground, postgres }: Stage,
  tenants: readonly BenchTenant[],
  { budget, tls }: { budget: number; tls: boolean },
): Promise<OurRegistry> {
  const url = await managementDatabase(ground)
  return makeOurRegistry(ground, { url, tenants, login: 'cheap', postgres, budget, tls })
}

/** Every tenant as often as any other, a few at a time. */
function evenly(tenants: readonly BenchTenant[]): LoadShape {
  return { name: 'evenly', tenants, pick: 'cycle', workers: 4, ask: { kind: 'rows', rows: 20 } }
}

async function rounds(stage: Stage, registry: OurRegistry, used: readonly BenchTenant[]): Promise<Figures> {
  await using running = await startProbed(stage, registry, OPEN)
  const reports: LoadReport[] = []
  let asked = 0
  const round = async () => {
    const from = asked % used.length
    const report = await drive(
      stage,
      running,
      running,
      [evenly([...used.slice(from), ...used.slice(0, from)])],
      1,
    )
    reports.push(report)
    asked += report.groups[0]?.answers ?? 0
    return heldBy(running.child)
  }
  for (let before = 0; asked < used.length; before++) {
    if (before === MAX_ROUNDS) throw new Error(`only ${asked} of ${used.length} tenants were asked`)
    await round()
  }
  const looks: Held[] = []
  for (let number = 0; number < ROUNDS; number++) looks.push(await round())
  const [first, last] = [looks.slice(0, 3), looks.slice(-3)].map((some) => median(some.map(({ rss }) => rss)))
  const heap = median(looks.slice(-3).map(({ heapUsed }) => heapUsed))
  return {
    rssMb: (last ?? 0) / MB,
    firstRssMb: (first ?? 0) / MB,
    heapMb: heap / MB,
    growth: (last ?? 0) / (first ?? 0),
    maxConnections: Math.max(...reports.map(({ maxConnections }) => maxConnections)),
    ...faultsOf({ groups: reports.flatMap(({ groups }) => groups) }),
  }
}

async function slope(stage: Stage, registry: OurRegistry, tenants: readonly BenchTenant[]): Promise<Figures> {
  await using running = await startProbed(stage, registry, tenants.length)
  const few = await openAll(stage, running, tenants.slice(0, 100))
  const many = await openAll(stage, running, tenants)
  const more = many.connections - few.connections
  const each = (of: keyof Held) => (many.held[of] - few.held[of]) / more / 1024
  return {
    heapKb: each('heapUsed'),
    externalKb: each('external'),
    rssKb: each('rss'),
    maxConnections: many.connections,
    ...faultsOf({ groups: [...few.groups, ...many.groups] }),
  }
}

type Probed = Awaited<ReturnType<typeof startProbed>>

/** Asks until each tenant has a connection. */
async function openAll(stage: Stage, running: Probed, tenants: readonly BenchTenant[]) {
  const groups: GroupReport[] = []
  for (let attempt = 0; attempt < MAX_ROUNDS; attempt++) {
    const report = await drive(stage, running, running, [evenly(tenants)], attempt)
    groups.push(...report.groups)
    const connections = report.maxConnections
    if (connections >= tenants.length) return { connections, groups, held: await heldBy(running.child) }
  }
  throw new Error(`not every one of ${tenants.length} tenants came to a connection`)
}

async function startProbed(stage: Stage, registry: OurRegistry, budget: number) {
  const running = await startService(stage, { registry, budget, nodeFlags: PROBE_FLAGS, channel: true })
  return { ...running, keyOf: () => registry.serviceKey }
}

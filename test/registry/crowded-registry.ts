import { randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { ListFilter, Registry } from '../../src/registry/registry.ts'
import type { Vicinity } from '../../src/registry/vicinity.ts'
import { newManagementDatabase } from './management-database.ts'
import { operation, tenantRecord } from './records.ts'

/** Milliseconds that a look may take: of a hundred, one may take longer. */
export const LOOK_MS = 20

interface Look {
  readonly what: string
  /** Resolves how many entries were found. */
  readonly run: (registry: Registry) => Promise<number>
}

export interface Looked {
  readonly what: string
  readonly found: number
  readonly p50: number
  readonly p99: number
}

/**
 * Fills a registry in Postgres with tenants as a fleet has them, in no order of id, and times what operators and the
 * data plane ask it.
 * @param rounds looks of each kind, after as many that warm up.
 */
export async function measuresLooks(tenants: number, rounds: number): Promise<Looked[]> {
  await using database = await newManagementDatabase()
  await using registry = await database.open({ timeoutMs: 600_000 })
  await fill(database, tenants)
  const looked: Looked[] = []
  for (const { what, run } of looksAt(tenants, await namesOf(registry, rounds))) {
    const times: number[] = []
    let found = 0
    for (let round = 0; round < 2 * rounds; round += 1) {
      const begun = performance.now()
      found = await run(registry)
      if (round >= rounds) times.push(performance.now() - begun)
    }
    times.sort((a, b) => a - b)
    looked.push({ what, found, p50: at(times, 0.5), p99: at(times, 0.99) })
  }
  return looked
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** As `fill` makes ids. */
function anywhere(): string {
  return `t${randomInt(2 ** 47)
    .toString(16)
    .padStart(12, '0')}`
}

/** Tenants that are there, from all over. */
async function namesOf(registry: Registry, count: number): Promise<string[]> {
  const names: string[] = []
  while (names.length < count) {
    const { entries } = await registry.list('tenant', anywhere(), { limit: 1 })
    names.push(...entries.map(({ id }) => id))
  }
  return names
}

type Database = Awaited<ReturnType<typeof newManagementDatabase>>

/**
 * Of every thousand tenants 900 are active, 99 suspended and one has failed; half are in each region, one of a hundred is
 * in a cohort, one of ten thousand is on the small server. Each has an alias, and each tenth an operation. Each tenth is
 * registered, and has the same names as all of these, on one of a thousand servers; the others were provisioned.
 */
async function fill(database: Database, tenants: number): Promise<void> {
  const record = JSON.stringify(tenantRecord('n'))
  await database.query(
    `insert into tenantry_registry.entry (kind, id, revision, labels, record)
     select 'tenant', id, n, array['plan=' || plan, 'region=' || region, 'cohort=c' || n % 100],
       $1::jsonb || jsonb_build_object('id', id, 'status', status,
         'labels', jsonb_build_object('plan', plan, 'region', region, 'cohort', 'c' || n % 100),
         'origin', case when pin is null then 'provisioned' else 'registered' end, 'identity', pin,
         'route', $1::jsonb -> 'route' || jsonb_build_object('server', server,
           'database', case when pin is null then 't_' || id else 'postgres' end,
           'role', case when pin is null then 't_' || id || '_a' else 'app' end))
     from (select n, 't' || substr(md5(n::text), 1, 12) as id,
         case n % 1000 when 0 then 'failed' else case when n % 10 = 1 and n % 1000 <> 1 then 'suspended' else 'active' end end as status,
         case n % 1000 when 0 then 'enterprise' else case when n % 10 = 1 then 'pro' else 'free' end end as plan,
         case n % 2 when 0 then 'eu' else 'us' end as region,
         case when n % 10000 = 0 then 'small' when n % 10 = 0 then 'p' || n / 10 % 1000 else 's' || n % 50 end as server,
         case when n % 10 = 0 then jsonb_build_object('kind', 'pin', 'systemIdentifier', (7000000 + n / 10 % 1000)::text,
           'serverAddress', '10.0.0.' || n / 10 % 100 || ':5432', 'databaseOid', 16384 + n, 'databaseName', 'postgres',
           'shared', true) end as pin
       from generate_series(1, ${tenants}) n) as made`,
    [record],
  )
  await database.query(
    `insert into tenantry_registry.entry (kind, id, revision, tenant, record)
     select 'alias', 'hostname:' || id || '.example.com', revision, id, jsonb_build_object('kind', 'hostname',
       'value', id || '.example.com', 'tenant', id, 'createdAt', record -> 'createdAt')
     from tenantry_registry.entry where kind = 'tenant'`,
  )
  await database.query(
    `insert into tenantry_registry.entry (kind, id, revision, tenant, record)
     select 'operation', op, n, 't' || substr(md5(n::text), 1, 12), $1::jsonb || jsonb_build_object('id', op,
       'tenant', 't' || substr(md5(n::text), 1, 12), 'state', case when n % 10000 = 0 then 'running' else 'done' end)
     from (select n, gen_random_uuid()::text as op from generate_series(10, ${tenants}, 10) n) as made`,
    [JSON.stringify(operation('00000000-0000-4000-8000-000000000000', 'n').record)],
  )
  await database.query('vacuum analyze tenantry_registry.entry')
  // Nobody's fleet comes to be in a minute: until what that wrote is on the disk, who reads has to write.
  await database.query('checkpoint')
}

function looksAt(tenants: number, names: readonly string[]): Look[] {
  const page = (
    what: string,
    filter: ListFilter,
    cursor: () => string | undefined = () => undefined,
  ): Look => ({
    what,
    run: async (registry) => (await registry.list('tenant', cursor(), filter)).entries.length,
  })
  const anywhere = () =>
    `t${randomInt(2 ** 47)
      .toString(16)
      .padStart(12, '0')}`
  const looks: Look[] = [
    {
      what: 'find a tenant',
      run: async (registry) => ((await registry.find('tenant', pick(names))) ? 1 : 0),
    },
    {
      what: 'find by host name',
      run: async (registry) =>
        (await registry.findByAlias('hostname', `${pick(names)}.example.com`)) ? 1 : 0,
    },
    page('first page', {}),
    page('a page from anywhere', {}, anywhere),
    page('status, most have it', { status: 'active' }, anywhere),
    page('status, one of ten has it', { status: 'suspended' }, anywhere),
    page('status, one of a thousand has it', { status: 'failed' }),
    page('label, half have it', { labels: { region: 'eu' } }, anywhere),
    page('label, one of a hundred has it', { labels: { cohort: 'c7' } }),
    page('label, one of a thousand has it', { labels: { plan: 'enterprise' } }),
    page('two labels, one of ten has both', { labels: { plan: 'pro', region: 'us' } }, anywhere),
    page('label and status', { labels: { region: 'eu' }, status: 'failed' }),
    page('server, one of fifty is there', { server: 's7' }, anywhere),
    page('server, one of ten thousand is there', { server: 'small' }),
    page('server, nobody is there', { server: 'none' }),
    page('server and role, that many have', { server: 'p7', role: 'app' }),
    {
      what: 'whose database it is',
      run: async (registry) => {
        const { entries } = await registry.list('tenant', undefined, { database: `t_${pick(names)}` })
        return entries.length
      },
    },
    {
      what: 'neighbours of a new tenant',
      run: async (registry) =>
        (await registry.list('tenant', undefined, { near: placeOf(pick(names)) })).entries.length,
    },
    {
      what: 'tenants by server',
      run: async (registry) => (await registry.tenantsByServer()).size,
    },
    page('beginning of an id', { prefix: 't7f' }),
    page('beginning and status', { prefix: 't7', status: 'failed' }),
    {
      what: 'operations that run',
      run: async (registry) =>
        (await registry.list('operation', undefined, { state: 'running' })).entries.length,
    },
    {
      what: "a tenant's operations",
      run: async (registry) => {
        return (await registry.list('operation', undefined, { tenant: pick(names) })).entries.length
      },
    },
  ]
  return looks.map((look) => ({ ...look, what: `${look.what}, of ${tenants}` }))
}

/** As a new tenant asks: its own names, and those of databases that every server has. */
function placeOf(id: string): Vicinity {
  const own = `t_${id}`
  return {
    servers: ['s7'],
    clusters: [{ systemIdentifier: '7000007', serverAddress: '10.0.0.7:5432' }],
    provisioned: [own],
    having: { databases: [own, 'postgres', 'template1'], roles: [`${own}_a`], databaseOids: [20_000] },
  }
}

function pick(names: readonly string[]): string {
  return names[randomInt(names.length)] ?? ''
}

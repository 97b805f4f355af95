import { randomInt } from 'node:crypto'
import type { ListFilter, Registry } from '../../src/registry/registry.ts'
import type { Vicinity } from '../../src/registry/vicinity.ts'

/** What operators, provisioning and the data plane ask a registry. */
export interface Look {
  readonly name: string
  /** Resolves how many entries were found. */
  readonly run: (registry: Registry) => Promise<number>
}

/** The look that finds nothing. */
export const NOTHING = 'serverOfNobody'

/** @param names tenants of the crowd. */
export function looksAt(names: readonly string[]): Look[] {
  const page = (
    name: string,
    filter: ListFilter,
    cursor: () => string | undefined = () => undefined,
  ): Look => ({
    name,
    run: async (registry) => (await registry.list('tenant', cursor(), filter)).entries.length,
  })
  return [
    {
      name: 'find',
      run: async (registry) => ((await registry.find('tenant', pick(names))) ? 1 : 0),
    },
    {
      name: 'findByHost',
      run: async (registry) =>
        (await registry.findByAlias('hostname', `${pick(names)}.example.com`)) ? 1 : 0,
    },
    page('firstPage', {}),
    page('anyPage', {}, anywhere),
    page('statusOfMost', { status: 'active' }, anywhere),
    page('statusOfTenth', { status: 'suspended' }, anywhere),
    page('statusOfThousandth', { status: 'failed' }),
    page('labelOfHalf', { labels: { region: 'eu' } }, anywhere),
    page('labelOfHundredth', { labels: { cohort: 'c7' } }),
    page('labelOfThousandth', { labels: { plan: 'enterprise' } }),
    page('twoLabels', { labels: { plan: 'pro', region: 'us' } }, anywhere),
    page('labelAndStatus', { labels: { region: 'eu' }, status: 'failed' }),
    page('serverOfFiftieth', { server: 's7' }, anywhere),
    page('serverOfFew', { server: 'small' }),
    page(NOTHING, { server: 'none' }),
    page('serverAndRole', { server: 'p7', role: 'app' }),
    {
      name: 'byDatabase',
      run: async (registry) => {
        const { entries } = await registry.list('tenant', undefined, { database: `t_${pick(names)}` })
        return entries.length
      },
    },
    {
      name: 'neighbours',
      run: async (registry) =>
        (await registry.list('tenant', undefined, { near: placeOf(pick(names)) })).entries.length,
    },
    {
      name: 'countByServer',
      run: async (registry) => (await registry.tenantsByServer()).size,
    },
    page('prefix', { prefix: 't7f' }),
    page('prefixAndStatus', { prefix: 't7', status: 'failed' }),
    {
      name: 'runningOperations',
      run: async (registry) =>
        (await registry.list('operation', undefined, { state: 'running' })).entries.length,
    },
    {
      name: 'operationsOfTenant',
      run: async (registry) => {
        return (await registry.list('operation', undefined, { tenant: pick(names) })).entries.length
      },
    },
  ]
}

/** Tenants that are there, from all over. */
export async function namesOf(registry: Registry, count: number): Promise<string[]> {
  const names: string[] = []
  while (names.length < count) {
    const { entries } = await registry.list('tenant', anywhere(), { limit: 1 })
    names.push(...entries.map(({ id }) => id))
  }
  return names
}

/** As the crowd's ids are made. */
function anywhere(): string {
  return `t${randomInt(2 ** 47)
    .toString(16)
    .padStart(12, '0')}`
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

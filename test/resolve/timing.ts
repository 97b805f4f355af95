import { Directory } from '../../src/registry/directory.ts'
import { apiKey } from '../../src/resolve/api-key-source.ts'
import { header } from '../../src/resolve/header-source.ts'
import { host } from '../../src/resolve/host-source.ts'
import { counted, keyOf, provedApp, sessionApp } from '../http/tenancy/ground.ts'
import { startWorld } from '../support/world.ts'
import { putAlias } from '../support/world-keys.ts'
import { cliffsDelta } from './effect-size.ts'

/** What a caller may try to tell apart, by its name. */
type Ways = Readonly<Record<string, () => Promise<Response>>>

/** Cliff's delta of each of the ways against the first, asked in turns. */
async function compared(ways: Ways, samples: number): Promise<Record<string, number>> {
  const taken = new Map(Object.keys(ways).map((name) => [name, [] as number[]]))
  for (let round = 0; round < samples; round += 1) {
    // Another order each time: what comes first in a round pays for what the last left.
    const order = Object.entries(ways).toSorted(() => Math.random() - 0.5)
    for (const [name, ask] of order) {
      const before = process.hrtime.bigint()
      const { status } = await ask()
      taken.get(name)?.push(Number(process.hrtime.bigint() - before))
      if (status !== 404) throw new Error(`${name} was answered ${status}`)
    }
  }
  const [first = [], ...others] = taken.values()
  const names = Object.keys(ways).slice(1)
  return Object.fromEntries(others.map((each, at) => [names[at] ?? '', cliffsDelta(each, first)]))
}

/**
 * How far unknown, foreign and suspended tenants can be told apart by the time an answer takes: warm, and with nothing
 * known of any of them.
 * @param colds asked once each, from a directory that knows nothing yet.
 */
export async function timings(
  samples: number,
  colds: number,
): Promise<Record<string, Record<string, number>>> {
  const lodgers = Array.from({ length: colds }, (_, i) => `lodger-${i}`)
  await using world = await startWorld(['acme', 'globex', 'hooli'], { lodgers })
  await world.change('hooli', (record) => ({ ...record, status: 'suspended' }))
  await putAlias(world, 'hostname', 'globex.test', 'globex')
  await putAlias(world, 'hostname', 'hooli.test', 'hooli')
  const key = await keyOf(world, 'acme')
  const session = sessionApp(world, [host('example.com')])
  const keyed = provedApp(world, [apiKey(), header()])
  const bySession = (name: string) => () =>
    Promise.resolve(session.request(`http://${name}/`, { headers: { cookie: 'user=acme' } }))
  const byKey = (tenant: string) => () =>
    Promise.resolve(
      keyed.request('/', { headers: { authorization: `Bearer ${key}`, 'x-tenant-id': tenant } }),
    )
  const ways = (make: (name: string) => () => Promise<Response>, end = '') => ({
    unknown: make(`nobody${end}`),
    foreign: make(`globex${end}`),
    suspended: make(`hooli${end}`),
  })
  const warm = {
    session: await compared(ways(bySession, '.example.com'), samples),
    alias: await compared(ways(bySession, '.test'), samples),
    key: await compared(ways(byKey), samples),
  }
  await using directory = new Directory(world.registry)
  const cold = sessionApp(counted({ router: world.router, directory }).served, [host('example.com')])
  let asked = 0
  const next = (prefix: string) => () => {
    const url = `http://${prefix}-${Math.floor(asked++ / 2)}.example.com/`
    return Promise.resolve(cold.request(url, { headers: { cookie: 'user=acme' } }))
  }
  return { ...warm, cold: await compared({ unknown: next('nobody'), foreign: next('lodger') }, colds) }
}

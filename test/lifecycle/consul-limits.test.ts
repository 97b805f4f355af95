import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importTenants } from '../../src/lifecycle/import/import-tenants.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { ConsulRegistry } from '../../src/registry/consul/consul-registry.ts'
import { Secret } from '../../src/secret.ts'
import { type ConsulServer, startConsul } from '../support/consul.ts'
import { Fleet } from './import/fleet.ts'

/** Host names that do not fit into a transaction of Consul with all that goes with them. */
const MANY = 40
const ROWS = 10
const hostnamesOf = (id: string, count: number) =>
  Array.from({ length: count }, (_, at) => `h${at}.${id}.example.test`)

/** That of the list's last tenant is for another test. */
const withoutLast = (text: string) => text.split('\n').slice(0, ROWS).join('\n')

let consul: ConsulServer
let fleet: Fleet
let registry: ConsulRegistry
let parts: LifecycleParts
beforeAll(async () => {
  ;[consul, fleet] = await Promise.all([startConsul(), Fleet.start(18, { size: ROWS, databases: ROWS })])
  const url = `consul://:${consul.token}@${consul.host}:${consul.port}/${randomUUID()}`
  registry = await ConsulRegistry.open(new Secret(url))
  parts = { ...fleet.ground.parts, registry }
})
afterAll(async () => {
  await registry.close()
  await fleet[Symbol.asyncDispose]()
  await consul.stop()
})

describe('changes that are larger than a transaction of Consul', () => {
  it('are split where rows of an import are, and the row that is too large by itself does not stop the others', async () => {
    const text = fleet.csv('hostnames', (_, at) => {
      const { id } = fleet.members[at] ?? { id: '' }
      return hostnamesOf(id, at === 1 ? MANY : 3).join(' ')
    })
    const { rows: outcomes } = await importTenants(parts, { format: 'csv', text: withoutLast(text) }, 'test')
    const refused = outcomes.filter(({ outcome }) => outcome !== 'imported')
    expect(refused).toMatchObject([{ line: 3, refusal: expect.stringMatching(/in Consul is not supported/) }])
    expect(await registry.find('tenant', 't-0001')).toBeUndefined()
    const { entries } = await registry.list('alias', undefined, { tenant: 't-0001' })
    expect(entries).toEqual([])
  })

  it('take tenants their isolation first where a newcomer takes it from more than fit', async () => {
    const member = fleet.members[ROWS - 1]
    if (member === undefined) throw new Error('no member')
    const { id, database, dsn } = member
    const isolated = async () => {
      const { entries } = await registry.list('tenant', undefined, { limit: 1000 })
      return entries.flatMap(({ id: one, record }) => (record.isolation?.isolated ? [one] : []))
    }
    const before = await isolated()
    expect(before).toHaveLength(ROWS - 2)
    await fleet.ground.server.execute(`grant connect on database ${database} to public`)
    const hostnames = hostnamesOf(id, 27)
    const { probe } = await registerTenant(parts, { id, route: { dsn }, hostnames }, 'test')
    expect(probe.nowNotIsolated).toEqual(before)
    expect(await isolated()).toEqual([id])
    const { entries } = await registry.auditTrail(undefined, { action: 'tenant.expose' })
    expect(entries.map(({ audit }) => audit?.detail)).toEqual([{ tenants: before.join(' ') }])
  })

  it('are refused before a database is made', async () => {
    const { entries } = await registry.list('server')
    const [server] = entries.map(({ id }) => id)
    if (server === undefined) throw new Error('no server was imported')
    await addServer(parts, { id: server, dsn: fleet.ground.admin.dsn }, 'test')
    const many = { id: 'acme', server, hostnames: hostnamesOf('acme', MANY) }
    await expect(provisionTenant(parts, many, 'test')).rejects.toThrow(/in Consul is not supported/)
    expect(await registry.find('tenant', 'acme')).toBeUndefined()
  })
})

import { describe, expect, it, vi } from 'vitest'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { addServer } from '../../../src/lifecycle/server/add-server.ts'
import { drainServer } from '../../../src/lifecycle/server/drain-server.ts'
import { LifecycleGround } from '../ground.ts'

/** One server by two names, of which `eu` has a tenth of the connections. */
async function twoServers(): Promise<LifecycleGround> {
  const ground = await LifecycleGround.withServer(18)
  const dsn = ground.admin.dsn.replace('127.0.0.1', 'localhost')
  await addServer(
    ground.parts,
    { id: 'eu', dsn, labels: { region: 'eu', tier: 'small' }, maxConnections: 13 },
    'test',
  )
  return ground
}

const parts = (ground: LifecycleGround) => ({ ...ground.parts, scramIterations: 1 })
const make = (ground: LifecycleGround, id: string, labels = {}) =>
  provisionTenant(parts(ground), { id, placement: { labels } }, 'test')

describe('a tenant for which no server is named', () => {
  it('goes to one with the labels that are wanted, else to the one with the fewest tenants for its budget', async () => {
    await using ground = await twoServers()
    const labelled = await make(ground, 'a', { region: 'eu' })
    expect(labelled.placement).toMatchObject({
      server: 'eu',
      why: expect.stringMatching(/the only one/),
      warnings: [],
    })
    const roomiest = await make(ground, 'b')
    expect(roomiest.tenant.server).toBe('main')
    expect(roomiest.placement?.why).toBe(
      'of 2 that can, it has the fewest tenants for its budget: 0 for 135 connections; next is eu with 1 for 13 connections',
    )
  })

  it('has the tenants counted once, however many servers there are and however long it is in coming', async () => {
    await using ground = await twoServers()
    let counts = 0
    const clock = performance.now.bind(performance)
    let passedMs = 0
    using _now = vi.spyOn(performance, 'now').mockImplementation(() => clock() + passedMs)
    const registry = new Proxy(ground.registry, {
      get(target, name) {
        if (name === 'tenantsByServer') counts += 1
        if (name === 'commit') passedMs += 60_000
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await provisionTenant({ ...parts(ground), registry }, { id: 'a' }, 'test')
    expect(counts).toBe(1)
    await provisionTenant({ ...parts(ground), registry }, { id: 'b' }, 'test')
    expect(counts).toBe(2)
  })

  it('is refused where none can take it, with the reason of each', async () => {
    await using ground = await twoServers()
    await drainServer(ground.registry, 'eu', true, 'test')
    await expect(make(ground, 'a', { region: 'eu' })).rejects.toThrow(
      'No server can take the tenant: eu drains and takes no new tenants: tenantry server undrain eu; main is not labelled region=eu.',
    )
    expect(await ground.registry.find('tenant', 'a')).toBeUndefined()
  })
})

describe('a server that drains', () => {
  it('takes no new tenant, also where it is named, serves those it has, and takes some again when it may', async () => {
    await using ground = await twoServers()
    await provisionTenant(parts(ground), { id: 'there', server: 'eu' }, 'test')
    expect(await drainServer(ground.registry, 'eu', true, 'test')).toMatchObject({ draining: true })
    const named = () => provisionTenant(parts(ground), { id: 'new', server: 'eu' }, 'test')
    await expect(named()).rejects.toThrow(/Server eu drains/)
    expect((await make(ground, 'elsewhere')).tenant.server).toBe('main')
    const client = await ground.connect('there')
    expect((await client.query('select state from tenantry.stamp')).rows).toEqual([{ state: 'live' }])
    await client.end()
    await drainServer(ground.registry, 'eu', false, 'test')
    expect((await named()).tenant.server).toBe('eu')
  })

  it('drains still after its login was put on record anew', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await drainServer(ground.registry, 'main', true, 'test')
    const { server } = await addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn }, 'test')
    expect(server.draining).toBe(true)
  })
})

import { describe, expect, it, vi } from 'vitest'
import { InternalError } from '../../../src/errors.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { refillSpares, startSpares } from '../../../src/lifecycle/provision/spare/make-spares.ts'
import { SpareKeeper } from '../../../src/lifecycle/provision/spare/spare-keeper.ts'
import { startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { LifecycleGround, sqlstateOf } from '../ground.ts'

const parts = (ground: LifecycleGround) => ({ ...ground.parts, scramIterations: 1 })
const keep = async (ground: LifecycleGround, wanted: { count: number; template?: string }) =>
  (await startSpares(ground.parts, 'main', wanted, 'test')).result

async function ready(ground: LifecycleGround): Promise<string[]> {
  const server = await ground.registry.find('server', 'main')
  return server?.record.spares?.ready.map(({ database }) => database) ?? []
}

describe.each([15, 18] as const)('a spare on Postgres %i', (version) => {
  it('is nobody’s and lets nobody in, until a tenant takes it with all that a tenant has', async () => {
    await using ground = await LifecycleGround.withServer(version)
    expect(await keep(ground, { count: 1 })).toMatchObject({ ready: 1, made: 1 })
    const [database = ''] = await ready(ground)
    const stamp = 'select tenant_id as tenant, generation::int, state from tenantry.stamp'
    expect(await ground.server.query(stamp, [], database)).toEqual([
      { tenant: '', generation: 0, state: 'spare' },
    ])
    const logins = await ground.server.query(
      `select rolname from pg_roles where starts_with(rolname, $1) and rolcanlogin`,
      [database],
    )
    expect(logins).toEqual([])

    const { tenant } = await provisionTenant(
      parts(ground),
      { id: 'acme', limits: { maxConnections: 1 } },
      'test',
    )
    expect(tenant).toMatchObject({ database, status: 'active', isolation: { isolated: true } })
    expect(await ready(ground)).toEqual([])
    const client = await ground.connect('acme')
    expect((await client.query(stamp)).rows).toEqual([
      { tenant: 'acme', generation: tenant.generation, state: 'live' },
    ])
    expect(await sqlstateOf(client.query('create table mine (id int)'))).toBe('42501')
    await client.end()
    const limits = await ground.server.query('select rolconnlimit as n from pg_roles where rolname = $1', [
      tenant.role,
    ])
    expect(limits).toEqual([{ n: 7 }])
  })
})

describe('spares', () => {
  it('that cannot be made are tried again in one and the same operation', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await keep(ground, { count: 1 })
    await provisionTenant(parts(ground), { id: 'acme' }, 'test')
    const onStep = () => Promise.reject(new InternalError('the disk is full'))
    const refill = async () => {
      const server = await ground.registry.find('server', 'main')
      if (server === undefined) throw new Error('no server main')
      return refillSpares({ ...ground.parts, onStep }, server, 'spares', () => false)
    }
    const operations = async () => {
      const { entries } = await ground.registry.list('operation', undefined, { state: 'failed' })
      return entries
    }
    for (const _round of [1, 2, 3]) {
      await expect((await refill())?.result).rejects.toThrow('the disk is full')
      expect(await refill()).toBeUndefined() // not at once
      const [failed, ...others] = await operations()
      expect(others).toEqual([])
      if (failed === undefined) throw new Error('no operation failed')
      const record = { ...failed.record, updatedAt: new Date(Date.now() - 61_000).toISOString() }
      const audit = { actor: 'test', action: 'test', target: 'main', at: record.updatedAt, detail: {} }
      await ground.registry.commit({ puts: [{ kind: 'operation', id: failed.id, record }], audit }, [failed])
    }
    // And what was half made is ended by whoever comes next.
    expect(await keep(ground, { count: 1 })).toMatchObject({ ready: 1 })
  })

  it('are taken once each by tenants that come at the same moment, and the others get new databases', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await keep(ground, { count: 2 })
    const spares = await ready(ground)
    const ids = ['a', 'b', 'c', 'd']
    const made = await Promise.all(ids.map((id) => provisionTenant(parts(ground), { id }, 'test')))
    const databases = made.map(({ tenant }) => tenant.database)
    expect(new Set(databases).size).toBe(4)
    expect(databases.filter((database) => spares.includes(database)).toSorted()).toEqual(spares.toSorted())
    for (const id of ids) {
      const client = await ground.connect(id)
      expect((await client.query('select tenant_id from tenantry.stamp')).rows).toEqual([{ tenant_id: id }])
      await client.end()
    }
  })

  it('are made anew where some were taken, as long as the keeper is there, and dropped when fewer are wanted', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await keep(ground, { count: 1 })
    await provisionTenant(parts(ground), { id: 'acme' }, 'test')
    const told: unknown[] = []
    using keeper = new SpareKeeper(
      ground.parts,
      {
        refilled: (...what) => told.push(what),
        lookFailed: (error) => told.push(error),
        run: (work) => work(),
      },
      20,
    )
    await vi.waitFor(() => expect(told).toEqual([['main', undefined]]), { timeout: 15_000 })
    keeper[Symbol.dispose]()
    const [database = ''] = await ready(ground)
    expect(await keep(ground, { count: 0 })).toMatchObject({ ready: 0, dropped: 1 })
    const left = await ground.server.query(
      'select datname as name from pg_database where datname = $1 union all select rolname from pg_roles where starts_with(rolname, $1)',
      [database],
    )
    expect(left).toEqual([])
  })

  it('of a template are for tenants of that template', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const template = { name: 'v42', schema: 'create table notes (body text)' }
    await (await startTemplate(ground.parts, template, 'test')).result
    await keep(ground, { count: 1, template: 'v42' })
    const spares = await ready(ground)
    const other = await provisionTenant(parts(ground), { id: 'other' }, 'test')
    expect(spares).not.toContain(other.tenant.database)
    const { tenant } = await provisionTenant(parts(ground), { id: 'acme', template: 'v42' }, 'test')
    expect(spares).toEqual([tenant.database])
    expect(tenant.schemaVersion).toBe('v42')
    const client = await ground.connect('acme')
    await client.query("insert into notes values ('x')")
    await client.end()
  })
})

import { describe, expect, it } from 'vitest'
import { parseDsn } from '../../src/connection/dsn.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { checkTenant } from '../../src/lifecycle/tenant/check-tenant.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import type { Commit, Expectation, Kind, ListFilter, Registry } from '../../src/registry/registry.ts'
import { create, tenant } from '../registry/records.ts'
import { LifecycleGround, randomName } from './ground.ts'

/** The same server, which a second name puts on record a second time. */
const byOtherName = (dsn: string) => dsn.replace('127.0.0.1', 'localhost')

/** Parts where `before` comes between a verb's look and its first commit of this action. */
function interrupted(parts: LifecycleParts, action: string, before: () => Promise<unknown>): LifecycleParts {
  let isFirst = true
  const registry = new Proxy(parts.registry, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'commit') return typeof value === 'function' ? value.bind(target) : value
      return async (commit: Commit, expectations: readonly Expectation[]) => {
        const isIt = isFirst && commit.audit.action === action
        if (isIt) isFirst = false
        if (isIt) await before()
        return target.commit(commit, expectations)
      }
    },
  })
  return { ...parts, registry: registry satisfies Registry }
}

/** Parts that tell which tenants a verb has the registry list. */
function watched(parts: LifecycleParts): { readonly parts: LifecycleParts; readonly listed: Set<string> } {
  const listed = new Set<string>()
  const registry = new Proxy(parts.registry, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'list') return typeof value === 'function' ? value.bind(target) : value
      return async <K extends Kind>(kind: K, cursor?: string, filter?: ListFilter) => {
        const page = await target.list(kind, cursor, filter)
        if (kind === 'tenant') for (const { id } of page.entries) listed.add(id)
        return page
      }
    },
  })
  return { parts: { ...parts, registry: registry satisfies Registry }, listed }
}

/** Resolves once this many have arrived. */
function barrier(count: number): () => Promise<void> {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return () => {
    count -= 1
    if (count === 0) open()
    return opened
  }
}

const isolationOf = async (ground: LifecycleGround, id: string) => (await ground.tenant(id)).isolation

/** A database as CREATE DATABASE leaves it, open to everyone. */
async function openDatabase(ground: LifecycleGround): Promise<{ name: string; dsn: string }> {
  const name = randomName('r')
  const dsnOf = await ground.foreign(randomName('role'), [name])
  return { name, dsn: dsnOf(name) }
}

/** Two roles that own nothing and may enter one database that is closed to everyone else. */
async function twoRoles(ground: LifecycleGround): Promise<readonly [string, string]> {
  const name = randomName('r')
  const roles = [randomName('role'), randomName('role')] as const
  const dsnOf = await ground.foreign(roles[0], [name])
  const otherDsnOf = await ground.foreign(roles[1], [])
  await ground.server.execute(
    `alter database ${name} owner to postgres; revoke connect on database ${name} from public;
     grant connect on database ${name} to ${roles.join(', ')}`,
  )
  return [dsnOf(name), otherDsnOf(name)]
}

describe('a cluster that is on record by two names', () => {
  it('is one for a tenant that is made after an open database was registered by the other name', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const { name, dsn } = await openDatabase(ground)
    const route = { dsn: byOtherName(dsn) }
    const { probe } = await registerTenant(ground.parts, { id: 'globex', route }, 'test')
    expect(probe).toMatchObject({ serverIsNew: true, server: expect.stringMatching(/^localhost/) })
    const { tenant } = await provisionTenant(ground.parts, { id: 'acme', server: 'main' }, 'test')
    expect(tenant.isolation?.findings).toEqual([expect.stringContaining(`may connect to ${name}`)])
    expect((await checkTenant(ground.parts, 'acme', 'test')).isolation?.isolated).toBe(false)
  })

  it('is one for an open database that is registered after a tenant was made by the other name', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const route = { dsn: byOtherName((await openDatabase(ground)).dsn) }
    const { probe } = await registerTenant(ground.parts, { id: 'globex', route }, 'test')
    expect(probe.nowNotIsolated).toEqual(['acme'])
    expect((await isolationOf(ground, 'acme'))?.isolated).toBe(false)
  })

  it('is one where the records were kept before anybody looked which cluster it is', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const main = await ground.registry.find('server', 'main')
    if (main === undefined) throw new Error('no server main')
    const { cluster, ...record } = main.record
    expect(cluster?.systemIdentifier).toMatch(/^\d+$/)
    const audit = { actor: 'test', action: 'forget', target: 'main', at: record.updatedAt, detail: {} }
    const puts = [{ kind: 'server' as const, id: 'main', record }]
    await ground.registry.commit({ puts, audit }, [{ kind: 'server', id: 'main', revision: main.revision }])
    const route = { dsn: byOtherName((await openDatabase(ground)).dsn) }
    const { probe } = await registerTenant(ground.parts, { id: 'globex', route }, 'test')
    expect(probe.nowNotIsolated).toEqual(['acme'])
    await checkTenant(ground.parts, 'acme', 'test')
    expect((await ground.registry.find('server', 'main'))?.record.cluster).toEqual(cluster)
  })

  it('is one by its address where the server keeps its identifier to itself', async () => {
    await using ground = await LifecycleGround.start(18)
    const name = randomName('r')
    const role = randomName('role')
    const dsnOf = await ground.foreign(role, [name])
    await ground.server.execute('revoke execute on function pg_control_system() from public', name)
    const dsn = dsnOf(name)
    const first = await registerTenant(ground.parts, { id: 'acme', route: { dsn } }, 'test')
    expect(first.probe.pin.systemIdentifier).toBeNull()
    const again = registerTenant(ground.parts, { id: 'globex', route: { dsn: byOtherName(dsn) } }, 'test')
    await expect(again).rejects.toThrow(/acme lives/)
  })

  it('does not make two tenants of one role isolated, however often they are checked', async () => {
    await using ground = await LifecycleGround.start(18)
    const role = randomName('role')
    const names = [randomName('r'), randomName('r')] as const
    const dsnOf = await ground.foreign(role, names)
    for (const name of names) await ground.server.execute(`alter database ${name} owner to postgres`)
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(names[0]) } }, 'test')
    const route = { dsn: byOtherName(dsnOf(names[1])) }
    const { probe } = await registerTenant(ground.parts, { id: 'globex', route }, 'test')
    expect(probe.isolation.findings).toContainEqual(expect.stringMatching(/used by acme too/))
    for (const [id, other] of [
      ['acme', 'globex'],
      ['globex', 'acme'],
    ] as const) {
      const { isolation } = await checkTenant(ground.parts, id, 'test')
      expect(isolation?.findings).toContainEqual(expect.stringContaining(`used by ${other} too`))
    }
  })
})

describe('a tenant among many', () => {
  it('is made, checked and registered without a look at those that it has nothing to do with', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const many = Array.from({ length: 60 }, (_, n) => tenant(`many-${n}`))
    await create(ground.registry, ...many)
    const made = watched(ground.parts)
    await provisionTenant(made.parts, { id: 'acme', server: 'main' }, 'test')
    expect([...made.listed]).toEqual(['acme'])
    const { dsn, name } = await openDatabase(ground)
    const registered = watched(ground.parts)
    const { probe } = await registerTenant(registered.parts, { id: 'globex', route: { dsn } }, 'test')
    expect(probe.nowNotIsolated).toEqual(['acme'])
    expect([...registered.listed]).toEqual(['acme'])
    const checked = watched(ground.parts)
    const { isolation } = await checkTenant(checked.parts, 'acme', 'test')
    expect(isolation?.findings).toEqual([expect.stringContaining(`may connect to ${name}`)])
    expect([...checked.listed].toSorted()).toEqual(['acme', 'globex'])
  })

  it('is known by the number of its database where that was renamed since', async () => {
    await using ground = await LifecycleGround.start(18)
    const [first, second] = await twoRoles(ground)
    const { probe } = await registerTenant(ground.parts, { id: 'acme', route: { dsn: first } }, 'test')
    const before = probe.pin.databaseName
    const after = randomName('r')
    await ground.server.execute(`alter database ${before} rename to ${after}`)
    try {
      const renamed = { dsn: second.replace(before, after) }
      const again = registerTenant(ground.parts, { id: 'globex', route: renamed }, 'test')
      await expect(again).rejects.toThrow(/acme lives/)
    } finally {
      await ground.server.execute(`alter database ${after} rename to ${before}`)
    }
  })
})

describe('two tenants in one database, each with a role of its own', () => {
  it.each([
    ['by one name', (dsn: string) => dsn],
    ['by two', byOtherName],
  ])('are not isolated, when registered or when checked: %s', async (_, rename) => {
    await using ground = await LifecycleGround.start(18)
    const [first, second] = await twoRoles(ground)
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: first } }, 'test')
    expect((await isolationOf(ground, 'acme'))?.isolated).toBe(true)
    const input = { id: 'globex', route: { dsn: rename(second) }, shared: true }
    const { probe } = await registerTenant(ground.parts, input, 'test')
    expect(probe.isolation.findings).toEqual(['shares its database with acme'])
    expect(probe.nowNotIsolated).toEqual(['acme'])
    expect((await isolationOf(ground, 'acme'))?.findings).toEqual(['shares its database with globex'])
    for (const id of ['acme', 'globex']) {
      expect((await checkTenant(ground.parts, id, 'test')).isolation?.isolated).toBe(false)
    }
  })
})

describe('two at once on one cluster', () => {
  it.each([
    ['by one name', (dsn: string) => dsn],
    ['by two', byOtherName],
  ])('do not both take one database: %s', async (_, rename) => {
    await using ground = await LifecycleGround.start(18)
    const { dsn } = await openDatabase(ground)
    const together = barrier(2)
    const register = (id: string, to: string) =>
      registerTenant(interrupted(ground.parts, 'tenant.register', together), { id, route: { dsn: to } }, id)
    const results = await Promise.allSettled([register('acme', dsn), register('globex', rename(dsn))])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const refused = results.find((result) => result.status === 'rejected')
    expect(refused?.reason).toMatchObject({ code: 'precondition_failed' })
  })

  it('tell each other whose database the role of the other may enter', async () => {
    await using ground = await LifecycleGround.start(18)
    const [one, other] = [await openDatabase(ground), await openDatabase(ground)]
    for (const { name } of [one, other]) {
      await ground.server.execute(`alter database ${name} owner to postgres`)
    }
    const together = barrier(2)
    const register = (id: string, dsn: string) =>
      registerTenant(interrupted(ground.parts, 'tenant.register', together), { id, route: { dsn } }, 'test')
    await Promise.all([register('acme', one.dsn), register('globex', byOtherName(other.dsn))])
    expect((await isolationOf(ground, 'acme'))?.isolated).toBe(false)
    expect((await isolationOf(ground, 'globex'))?.isolated).toBe(false)
  })

  it.each([
    ['tenant.provision.done', (parts: LifecycleParts) => provisionTenant(parts, { id: 'acme' }, 'test')],
    ['tenant.check', (parts: LifecycleParts) => checkTenant(parts, 'acme', 'test')],
  ])('look again where an open database is registered just before %s', async (action, verb) => {
    await using ground = await LifecycleGround.withServer(18)
    const { dsn, name } = await openDatabase(ground)
    if (action === 'tenant.check') await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const register = () =>
      registerTenant(ground.parts, { id: 'globex', route: { dsn: byOtherName(dsn) } }, 'test')
    await verb(interrupted(ground.parts, action, register))
    expect((await isolationOf(ground, 'acme'))?.findings).toEqual([
      expect.stringContaining(`may connect to ${name}`),
    ])
  })

  it('do not undo each other where the server is changed while a tenant is registered there', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const { dsn } = await openDatabase(ground)
    const register = () => registerTenant(ground.parts, { id: 'globex', route: { dsn } }, 'test')
    const input = { id: 'main', dsn: ground.admin.dsn, labels: { tier: 'small' } }
    const { created } = await addServer(interrupted(ground.parts, 'server.add', register), input, 'test')
    expect(created).toBe(false)
    expect((await ground.tenant('globex')).route.server).toBe('main')
    expect((await ground.registry.find('server', 'main'))?.record.labels).toEqual({ tier: 'small' })
  })

  it('all get their turn', async () => {
    await using ground = await LifecycleGround.start(18)
    const ids = Array.from({ length: 6 }, (_, n) => `tenant-${n}`)
    const databases = ids.map(() => randomName('r'))
    const dsnOf = await ground.foreign(randomName('role'), databases)
    await Promise.all(
      ids.map((id, n) =>
        registerTenant(ground.parts, { id, route: { dsn: dsnOf(databases[n] ?? '') } }, 'test'),
      ),
    )
    const { entries } = await ground.registry.list('tenant')
    expect(entries.map(({ id }) => id)).toEqual(ids)
    const servers = (await ground.registry.list('server')).entries
    expect(servers.map(({ record }) => record.endpoints[0]?.host)).toEqual([parseDsn(dsnOf('postgres')).host])
  })
})

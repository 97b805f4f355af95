import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Kind, ListFilter, Put, Registry, ServerLike } from '../../src/registry/registry.ts'
import type { Cluster } from '../../src/registry/server-record.ts'
import type { Vicinity } from '../../src/registry/vicinity.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import {
  alias,
  change,
  create,
  operation,
  remove,
  server,
  serverRecord,
  tenant,
  tenantKey,
  tenantRecord,
} from './records.ts'
import type { RegistryGround } from './registry-ground.ts'

export function describeEntries(backend: string, prepare: () => Promise<RegistryGround>): void {
  describe(`${backend} registry: entries`, () => {
    it('answers undefined for what it does not hold', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      for (const id of ['acme', '__proto__', 'constructor', '..', 'a/b', '']) {
        expect(await registry.find('tenant', id)).toBeUndefined()
      }
      expect(await registry.findByAlias('hostname', 'acme.example')).toBeUndefined()
    })

    it('gives back every kind of record as it was put, on another replica too', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const puts: Put[] = [
        tenant('acme', { labels: { plan: 'pro' }, statusReason: 'ä "quoted" \\ \n line: #1 \u{1F600}' }),
        server('main', { tls: { ...serverRecord('main').tls, ca: '-----BEGIN X-----\nabc\n\nend\n' } }),
        alias('hostname', 'acme.example', 'acme'),
        alias('external', 'org/with %2F * ? : ü', 'acme'),
        tenantKey('abcdefghijkl', 'acme'),
        operation(randomUUID(), 'acme'),
      ]
      const revisions = await create(registry, ...puts)
      await using replica = await ground.open()
      for (const [index, put] of puts.entries()) {
        expect(await replica.find(put.kind, put.id)).toEqual({ ...put, revision: revisions[index] })
      }
    })

    it('keeps its id for every replica', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await using replica = await ground.open()
      expect(registry.id).toMatch(/^[0-9a-f-]{36}$/)
      expect(replica.id).toBe(registry.id)
    })

    it('finds a tenant by its alias, and by no other kind of alias', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await create(registry, tenant('acme'), alias('hostname', 'acme.example', 'acme'))
      expect((await registry.findByAlias('hostname', 'acme.example'))?.record.id).toBe('acme')
      expect(await registry.findByAlias('external', 'acme.example')).toBeUndefined()
    })

    it('forgets what was removed, and makes it anew under a higher revision', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const [first = 0] = await create(registry, tenant('acme'))
      await remove(registry, 'tenant', 'acme')
      expect(await registry.find('tenant', 'acme')).toBeUndefined()
      const [second] = await create(registry, tenant('acme'))
      expect(second).toBeGreaterThan(first + 1)
    })
  })

  describe(`${backend} registry: counts`, () => {
    it('follow every change of a tenant, and leave deleted ones out', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      expect(await registry.tenantsByServer()).toEqual(new Map())
      await create(
        registry,
        ...['a', 'b', 'c'].map((id) => tenantOn(id, 'one')),
        server('one'),
        server('idle'),
      )
      await create(registry, tenantOn('d', 'two'), tenantOn('e', 'two', undefined, { status: 'deleted' }))
      expect(await registry.tenantsByServer()).toEqual(new Map(Object.entries({ one: 3, two: 1 })))
      await change(registry, tenantOn('a', 'two'))
      await change(registry, tenantOn('b', 'one', undefined, { status: 'deleted' }))
      await change(registry, tenantOn('e', 'two', undefined, { status: 'active' }))
      await change(registry, tenantOn('d', 'two', undefined, { status: 'suspended' }))
      expect(await registry.tenantsByServer()).toEqual(new Map(Object.entries({ one: 1, two: 3 })))
      for (const id of ['a', 'b', 'c']) await remove(registry, 'tenant', id)
      await create(registry, tenantOn('a', 'two')).catch(() => {})
      await create(registry, tenantOn('a', 'two')).catch(() => {}) // a conflict: nothing is counted
      await using replica = await ground.open()
      expect(await replica.tenantsByServer()).toEqual(new Map([['two', 3]]))
    })
  })

  describe(`${backend} registry: lists`, () => {
    it('come in pages, in order of id, each entry once', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const ids = ['zeta', 'a', 'ab', 'a-b', 'b1', 'b10', 'b2']
      for (const id of ids) await create(registry, tenant(id))
      await create(registry, server('main'))
      const pages = await pagesOf(registry, 'tenant', { limit: 3 })
      expect(pages.map((page) => page.length)).toEqual([3, 3, 1])
      expect(pages.flat()).toEqual([...ids].sort((a, b) => (a < b ? -1 : 1)))
      expect(await pagesOf(registry, 'operation', {})).toEqual([[]])
    })

    it('hold what passes the filter only, in full pages', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      for (let i = 0; i < 12; i++) {
        const labels = { plan: i % 2 ? 'pro' : 'free', region: i % 3 ? 'eu' : 'us' }
        await create(registry, tenant(`t${i}`, { labels, status: i % 4 ? 'active' : 'suspended' }))
      }
      expect((await pagesOf(registry, 'tenant', { status: 'suspended' })).flat()).toEqual(['t0', 't4', 't8'])
      const filter = { labels: { plan: 'pro', region: 'eu' }, limit: 2 }
      expect(await pagesOf(registry, 'tenant', filter)).toEqual([
        ['t1', 't11'],
        ['t5', 't7'],
      ])
      const both = { labels: { region: 'us' }, status: 'active' } as const
      expect((await pagesOf(registry, 'tenant', both)).flat()).toEqual(['t3', 't6', 't9'])
      expect((await pagesOf(registry, 'tenant', { labels: { plan: 'none' } })).flat()).toEqual([])
    })

    it('find tenants by the beginning of their id, and by their server', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      for (const id of ['a', 'ab', 'ab-c', 'abz9', 'ac', 'b']) {
        const { route } = tenantRecord(id)
        await create(registry, tenant(id, { route: { ...route, server: id < 'abz' ? 'main' : 'other' } }))
      }
      expect(await pagesOf(registry, 'tenant', { prefix: 'ab', limit: 2 })).toEqual([
        ['ab', 'ab-c'],
        ['abz9'],
      ])
      expect((await pagesOf(registry, 'tenant', { prefix: 'ab-' })).flat()).toEqual(['ab-c'])
      expect((await pagesOf(registry, 'tenant', { prefix: 'x' })).flat()).toEqual([])
      expect((await pagesOf(registry, 'tenant', { server: 'other' })).flat()).toEqual(['abz9', 'ac', 'b'])
      const both = { server: 'main', prefix: 'ab', status: 'active' } as const
      expect((await pagesOf(registry, 'tenant', both)).flat()).toEqual(['ab', 'ab-c'])
    })

    it('find tenants by their database and by their role', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      for (const id of ['a', 'b', 'c', 'd']) {
        const changes = { database: id < 'c' ? 'One db' : 'two', role: id === 'a' ? 'one' : 'Other role' }
        await create(registry, tenant(id, { route: { ...tenantRecord(id).route, ...changes } }))
      }
      expect((await pagesOf(registry, 'tenant', { database: 'One db' })).flat()).toEqual(['a', 'b'])
      expect((await pagesOf(registry, 'tenant', { role: 'Other role' })).flat()).toEqual(['b', 'c', 'd'])
      const both = { database: 'two', role: 'Other role', server: 'main', limit: 1 }
      expect(await pagesOf(registry, 'tenant', both)).toEqual([['c'], ['d']])
      expect((await pagesOf(registry, 'tenant', { database: 'one db' })).flat()).toEqual([])
      expect((await pagesOf(registry, 'tenant', { role: 'one', server: 'other' })).flat()).toEqual([])
    })

    it('find the tenants of a cluster by every name that it goes by, and of those whoever has something', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await create(registry, ...TOWN)
      const here: Vicinity = {
        servers: ['one', 'two'],
        clusters: [CLUSTER],
        provisioned: ['t_made', 't_none'],
      }
      const found = async (near: Vicinity) => (await pagesOf(registry, 'tenant', { near, limit: 2 })).flat()
      expect(await found(here)).toEqual(['by-address', 'by-id', 'made', 'on-one', 'on-two'])
      const unidentified = { ...here, clusters: [{ ...CLUSTER, systemIdentifier: null }] }
      expect(await found(unidentified)).toEqual(['by-address', 'made', 'on-one', 'on-two', 'other-id'])
      expect(await found({ servers: [], clusters: [], provisioned: [] })).toEqual([])
      const nothing = { databases: [], roles: [], databaseOids: [] }
      expect(await found({ ...here, having: nothing })).toEqual([])
      expect(
        await found({ ...here, having: { ...nothing, databases: ['on-one db', 'elsewhere db'] } }),
      ).toEqual(['on-one'])
      expect(await found({ ...here, having: { ...nothing, roles: ['made_role', 'by-id_role'] } })).toEqual([
        'by-id',
        'made',
      ])
      // Of a pin of another cluster the number says nothing.
      expect(await found({ ...here, having: { ...nothing, databaseOids: [7] } })).toEqual([
        'by-address',
        'by-id',
      ])
      const both = { ...nothing, roles: ['by-id_role'], databaseOids: [7] }
      expect(await pagesOf(registry, 'tenant', { near: { ...here, having: both }, prefix: 'by-i' })).toEqual([
        ['by-id'],
      ])
    })

    it('find servers that may be one, by what logins saw or by their address', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const at = (host: string, ...roles: ('primary' | 'replica')[]) =>
        roles.map((role, n) => ({ role, host: n === 0 ? host : 'DB.example', port: 5433 }))
      await create(
        registry,
        server('itself', { endpoints: at('a', 'primary') }),
        server('by-id', { endpoints: at('b', 'primary'), cluster: { ...CLUSTER, serverAddress: null } }),
        server('by-address', {
          endpoints: at('c', 'primary'),
          cluster: { ...CLUSTER, systemIdentifier: null },
        }),
        server('other-id', { endpoints: at('d', 'primary'), cluster: { ...CLUSTER, systemIdentifier: '8' } }),
        server('by-host', { endpoints: at('e', 'replica', 'primary') }),
        server('by-second', { endpoints: at('f', 'primary', 'primary') }),
        server('none', { endpoints: at('g', 'replica') }),
      )
      const found = async (like: Omit<ServerLike, 'id'>) =>
        (await pagesOf(registry, 'server', { like: { id: 'itself', ...like }, limit: 2 })).flat()
      const seen = { cluster: CLUSTER, primary: 'db.example 5433' }
      expect(await found(seen)).toEqual(['by-address', 'by-host', 'by-id', 'itself'])
      const unseen = { systemIdentifier: null, serverAddress: null }
      expect(await found({ cluster: unseen, primary: 'd 5433' })).toEqual(['itself', 'other-id'])
      const address = { ...CLUSTER, systemIdentifier: null }
      expect(await found({ cluster: address, primary: ' 0' })).toEqual([
        'by-address',
        'itself',
        'none',
        'other-id',
      ])
    })

    it('find aliases, keys and operations by their tenant', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const id = randomUUID()
      await create(
        registry,
        alias('hostname', 'a.example', 'acme'),
        tenantKey('aaaaaaaaaaaa', 'acme'),
        operation(id, 'acme'),
      )
      await create(registry, alias('hostname', 'b.example', 'globex'), tenantKey('bbbbbbbbbbbb', 'globex'))
      await change(registry, alias('hostname', 'b.example', 'acme'))
      await remove(registry, 'alias', 'hostname:a.example')
      const of = { tenant: 'acme' }
      expect((await pagesOf(registry, 'alias', of)).flat()).toEqual(['hostname:b.example'])
      expect((await pagesOf(registry, 'key', of)).flat()).toEqual(['aaaaaaaaaaaa'])
      expect((await pagesOf(registry, 'operation', of)).flat()).toEqual([id])
      expect((await pagesOf(registry, 'operation', { tenant: 'globex' })).flat()).toEqual([])
    })
  })
}

const CLUSTER = { systemIdentifier: '7000', serverAddress: '10.0.0.1:5432' }

/** On servers one to three, and pinned to one cluster or another; each with a database and a role named after it. */
const TOWN = [
  tenantOn('on-one', 'one', { ...CLUSTER, systemIdentifier: '8000', serverAddress: null }),
  tenantOn('on-two', 'two'),
  tenantOn('elsewhere', 'three'),
  tenantOn('by-id', 'three', { ...CLUSTER, serverAddress: null }),
  tenantOn('by-address', 'three', { ...CLUSTER, systemIdentifier: null }),
  tenantOn('other-id', 'three', { ...CLUSTER, systemIdentifier: '8000' }),
  tenantOn('other-address', 'three', { systemIdentifier: null, serverAddress: '10.0.0.2:5432' }),
  tenantOn('made', 'three', undefined, { origin: 'provisioned' }, 't_made'),
  tenantOn('made-elsewhere', 'three', undefined, { origin: 'provisioned' }, 't_other'),
  tenantOn('namesake', 'three', undefined, {}, 't_made'),
]

function tenantOn(
  id: string,
  server: string,
  cluster?: Cluster,
  changes: Partial<TenantRecord> = {},
  database = `${id} db`,
): Put {
  const pin = cluster && {
    kind: 'pin' as const,
    ...cluster,
    databaseOid: 7,
    databaseName: database,
    shared: false,
  }
  const route = { ...tenantRecord(id).route, server, database }
  return tenant(id, { route, identity: pin ?? null, ...changes })
}

async function pagesOf(registry: Registry, kind: Kind, filter: ListFilter): Promise<string[][]> {
  const pages: string[][] = []
  let cursor: string | undefined
  do {
    const page = await registry.list(kind, cursor, filter)
    pages.push(page.entries.map(({ id }) => id))
    cursor = page.next
  } while (cursor !== undefined)
  return pages
}

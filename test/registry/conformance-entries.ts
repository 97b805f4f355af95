import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Kind, ListFilter, Put, Registry } from '../../src/registry/registry.ts'
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

import { randomUUID } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import {
  CancelledError,
  InternalError,
  InvalidRequestError,
  RegistryUnavailableError,
  RevisionConflictError,
} from '../../src/errors.ts'
import type { Commit, Expectation, Kind, ListFilter, Put, Registry } from '../../src/registry/registry.ts'
import { Followed } from './followed.ts'
import {
  alias,
  audit,
  change,
  create,
  expecting,
  operation,
  remove,
  server,
  serverRecord,
  tenant,
  tenantKey,
  tenantRecord,
} from './records.ts'

/** One registry of its own, empty at first, and as many replicas of it as a test opens. */
export interface RegistryGround extends AsyncDisposable {
  open(options?: { readonly maxChanges?: number }): Promise<Registry>
}

/** What every backend promises. A new one is done when it passes and nothing here was changed for it. */
export function describeRegistry(backend: string, prepare: () => Promise<RegistryGround>): void {
  const within2s = { timeout: 2_000, interval: 10 }

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

  describe(`${backend} registry: commits`, () => {
    it('raise the revision with every change', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const revisions = [await change(registry, tenant('acme'))]
      for (let i = 2; i <= 5; i++) revisions.push(await change(registry, tenant('acme', { epoch: i })))
      expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b))
    })

    it('are refused when an expectation does not hold, whole', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const [revision = 0] = await create(registry, tenant('acme'))
      const gone = { removes: [{ kind: 'tenant', id: 'acme' }], audit } as const
      const cases: [Commit, Expectation[]][] = [
        [{ puts: [tenant('acme')], audit }, expecting(0, tenant('acme'))],
        [{ puts: [tenant('acme')], audit }, expecting(revision + 1, tenant('acme'))],
        [gone, expecting(revision + 1, tenant('acme'))],
        [{ puts: [tenant('globex')], audit }, expecting(7, tenant('globex'))],
        // The first part alone would be possible.
        [
          { ...gone, puts: [server('main'), alias('hostname', 'a.example', 'acme')] },
          [
            ...expecting(0, server('main'), alias('hostname', 'a.example', 'acme')),
            ...expecting(revision + 1, tenant('acme')),
          ],
        ],
        // Nothing of it is changed, but something is expected.
        [{ puts: [server('main')], audit }, expecting(0, server('main'), tenant('acme'))],
      ]
      for (const [commit, expectations] of cases) {
        await expect(registry.commit(commit, expectations)).rejects.toBeInstanceOf(RevisionConflictError)
      }
      expect((await registry.find('tenant', 'acme'))?.revision).toBe(revision)
      expect(await registry.find('server', 'main')).toBeUndefined()
      expect(await registry.find('alias', 'hostname:a.example')).toBeUndefined()
    })

    it('change all kinds at once', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const [old = 0] = await create(registry, tenant('acme'))
      const puts = [
        server('main'),
        alias('external', 'org_1', 'globex'),
        tenant('globex'),
        tenantKey('abcdefghijkl', 'globex'),
      ]
      const expectations = [...expecting(0, ...puts), ...expecting(old, tenant('acme'))]
      await registry.commit({ puts, removes: [{ kind: 'tenant', id: 'acme' }], audit }, expectations)
      expect(await registry.find('tenant', 'acme')).toBeUndefined()
      for (const { kind, id } of puts) expect(await registry.find(kind, id)).toBeDefined()
    })

    it('let one of two win who claim a name at the same time', async () => {
      await using ground = await prepare()
      await using one = await ground.open()
      await using other = await ground.open()
      for (const name of ['a.example', 'b.example', 'c.example']) {
        const claims = [
          create(one, alias('hostname', name, 'acme')),
          create(other, alias('hostname', name, 'globex')),
        ]
        const outcomes = await Promise.allSettled(claims)
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        const [lost] = outcomes.filter((outcome) => outcome.status === 'rejected')
        expect(lost?.reason).toBeInstanceOf(RevisionConflictError)
      }
    })

    it('lose no update of many writers who each read, add one and write', async () => {
      await using ground = await prepare()
      await using one = await ground.open()
      await using other = await ground.open()
      await create(one, tenant('acme'))
      await Promise.all([one, other, one, other].map((registry) => addEpochs(registry, 3)))
      expect((await one.find('tenant', 'acme'))?.record.epoch).toBe(1 + 12)
    })

    it('refuse a malformed record, and a change without an expectation', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const malformed = { ...tenant('acme'), record: { ...tenantRecord('acme'), epoch: 0 } }
      await expect(create(registry, malformed)).rejects.toBeInstanceOf(InvalidRequestError)
      await expect(create(registry, { ...tenant('acme'), id: 'globex' })).rejects.toBeInstanceOf(
        InvalidRequestError,
      )
      await expect(registry.commit({ puts: [tenant('acme')], audit }, [])).rejects.toBeInstanceOf(
        InternalError,
      )
      expect(await registry.find('tenant', 'acme')).toBeUndefined()
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

  describe(`${backend} registry: generations`, () => {
    it('are never given twice, to twenty who ask at once on two replicas', async () => {
      await using ground = await prepare()
      await using one = await ground.open()
      await using other = await ground.open()
      const asked = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).nextGeneration())
      const generations = await Promise.all(asked)
      expect(new Set(generations).size).toBe(20)
      expect(Math.min(...generations)).toBeGreaterThanOrEqual(1)
      expect(await one.nextGeneration()).toBeGreaterThan(Math.max(...generations))
    })
  })

  describe(`${backend} registry: changes`, () => {
    it('begin with a reset, then tell every change in order, also a removal', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await create(registry, tenant('before'))
      await using followed = new Followed(registry)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      const [first] = await create(registry, tenant('acme'), alias('hostname', 'acme.example', 'acme'))
      await remove(registry, 'tenant', 'acme')
      await vi.waitFor(() => expect(followed.changes).toHaveLength(3), within2s)
      expect(followed.names()).toEqual(['tenant acme', 'alias hostname:acme.example', 'tenant acme'])
      const revisions = followed.changes.map(({ revision }) => revision)
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
      expect(revisions[0]).toBe(first)
    })

    it('reach another replica within two seconds', async () => {
      await using ground = await prepare()
      await using writer = await ground.open()
      await using reader = await ground.open()
      await using followed = new Followed(reader)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      await create(writer, tenant('acme'))
      await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme']), within2s)
      expect((await reader.find('tenant', 'acme'))?.record.id).toBe('acme')
    })

    it('go on from a position, on a replica opened later', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      let position: string | undefined
      {
        await using followed = new Followed(registry)
        await create(registry, tenant('acme'))
        await vi.waitFor(() => expect(followed.heard).toBeGreaterThan(1), within2s)
        position = followed.position
      }
      await create(registry, tenant('globex'))
      await create(registry, tenant('initech'))
      await using replica = await ground.open()
      await using later = new Followed(replica, position)
      await vi.waitFor(() => expect(later.names()).toEqual(['tenant globex', 'tenant initech']), within2s)
      expect(later.resets).toBe(0)
    })

    it('say reset when more happened than the log holds, and for a position of no log', async () => {
      await using ground = await prepare()
      await using registry = await ground.open({ maxChanges: 3 })
      await create(registry, tenant('acme'))
      let position: string | undefined
      {
        await using followed = new Followed(registry)
        await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
        position = followed.position
      }
      for (let i = 0; i < 5; i++) await create(registry, tenant(`t${i}`))
      for (const from of [position, '999999999', 'nonsense']) {
        await using late = new Followed(registry, from)
        await vi.waitFor(() => expect(late.resets).toBe(1), within2s)
        expect(late.changes).toEqual([])
      }
    })

    it('are heard as an empty batch at least every two seconds while nothing changes', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await using followed = new Followed(registry)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      const heard = followed.heard
      await vi.waitFor(() => expect(followed.heard).toBeGreaterThan(heard + 1), {
        timeout: 4_000,
        interval: 20,
      })
      expect(followed.changes).toEqual([])
    })

    it('end without error when their signal aborts', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const followed = new Followed(registry)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      await followed[Symbol.asyncDispose]()
      expect(followed.isEnded).toBe(true)
    })
  })

  describe(`${backend} registry: close`, () => {
    it('ends every follower, refuses what comes after, and may be called again', async () => {
      await using ground = await prepare()
      const registry = await ground.open()
      const followed = [new Followed(registry), new Followed(registry)]
      await vi.waitFor(() => expect(followed.every(({ resets }) => resets === 1)).toBe(true), within2s)
      const closing = registry.close()
      expect(registry.close()).toBe(closing)
      await closing
      await vi.waitFor(() => expect(followed.every(({ isEnded }) => isEnded)).toBe(true), within2s)
      await expect(registry.find('tenant', 'acme')).rejects.toBeInstanceOf(RegistryUnavailableError)
      await expect(registry.nextGeneration()).rejects.toBeInstanceOf(RegistryUnavailableError)
      await expect(create(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError)
    })
  })

  describe(`${backend} registry: abort`, () => {
    it('rejects with CancelledError, and the next call is served', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await create(registry, tenant('acme'))
      const abort = new AbortController()
      const calls = Promise.allSettled([
        registry.find('tenant', 'acme', AbortSignal.abort()),
        registry.list('tenant', undefined, {}, AbortSignal.abort()),
        registry.findByAlias('hostname', 'x', AbortSignal.abort()),
        registry.find('tenant', 'acme', abort.signal),
      ])
      abort.abort()
      for (const call of await calls) {
        expect(call.status === 'rejected' && call.reason).toBeInstanceOf(CancelledError)
      }
      expect((await registry.find('tenant', 'acme'))?.record.id).toBe('acme')
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

async function addEpochs(registry: Registry, times: number): Promise<void> {
  for (let added = 0; added < times; ) {
    const present = await registry.find('tenant', 'acme')
    const record = tenantRecord('acme', { epoch: (present?.record.epoch ?? 0) + 1 })
    try {
      const put = { kind: 'tenant', id: 'acme', record } as const
      await registry.commit({ puts: [put], audit }, expecting(present?.revision ?? 0, put))
      added++
    } catch (error) {
      if (!(error instanceof RevisionConflictError)) throw error
    }
  }
}

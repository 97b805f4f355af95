import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Sql } from '../../src/connection/sql.ts'
import { TenantMismatchError } from '../../src/errors.ts'
import { currentTenant, runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startWorld, type World } from '../support/world.ts'

const [acme, globex] = [parseTenantId('acme'), parseTenantId('globex')]

/** One connection in all: acme's is opened in the very call in which globex gives it up, and globex's likewise. */
let world: World
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'], { maxConnections: 1 })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Runs as acme, on a connection that was opened in a call of globex. */
function afterGlobex<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
  return openedByOther(globex, () => world.router.withTenant('acme', work))
}

async function openedByOther<T>(other: typeof globex, work: () => Promise<T>): Promise<T> {
  world.router.evict('acme')
  const holder = await runAsTenant(other, () => world.lease(other))
  const waiting = work()
  await vi.waitFor(() => expect(world.router.stats().waiters).toBe(1))
  world.router.evict(other)
  runAsTenant(other, () => holder.release())
  return await waiting
}

describe('the ambient tenant, on a connection that another tenant’s release made room for', () => {
  it('is its own in row callbacks and cursor callbacks', async () => {
    const seen = await afterGlobex(async (sql) => {
      const heard = new Set<unknown>()
      await sql`select id from notes`.forEach(() => void heard.add(currentTenant()))
      await sql`select id from notes`.cursor(5, () => void heard.add(currentTenant()))
      for await (const _ of sql`select id from notes`.cursor(5)) heard.add(currentTenant())
      return heard
    })
    expect([...seen]).toEqual(['acme'])
  })

  it('is its own in parsers and serializers of its handle', async () => {
    const heard = new Set<unknown>()
    const sql = world.router.sql('acme')
    sql.options.parsers[20] = (text: string) => {
      heard.add(currentTenant())
      return text
    }
    await openedByOther(globex, () => runAsTenant(acme, async () => await sql`select 1::int8 as n`))
    expect([...heard]).toEqual(['acme'])
  })

  it('is its own for those who listen to a COPY, and for what feeds one', async () => {
    const seen = await afterGlobex(async (sql) => {
      const heard = new Set<unknown>()
      const hear = () => void heard.add(currentTenant())
      const out: Readable =
        await sql`copy (select repeat('x', 1000) from generate_series(1, 2000)) to stdout`.readable()
      out.on('data', hear).on('end', hear)
      await once(out, 'end')
      await sql`create temporary table taken (line text)`
      const into: Writable = await sql`copy taken from stdin`.writable()
      async function* lines() {
        for (let n = 0; n < 200; n++) {
          hear()
          if (n % 50 === 0) await nextTurn()
          yield `${'y'.repeat(5_000)}\n`
        }
      }
      into.on('drain', hear).on('finish', hear)
      await pipeline(lines, into)
      expect(await sql`select count(*)::int from taken`).toEqual([{ count: 200 }])
      return heard
    })
    expect([...seen]).toEqual(['acme'])
  })

  it('is its own for whoever takes the batches of a stream', async () => {
    const heard = new Set<unknown>()
    await openedByOther(globex, async () => {
      using lease = await world.lease('acme')
      await runAsTenant(acme, () =>
        lease.stream({ text: 'select id from notes' }, async () => void heard.add(currentTenant())),
      )
    })
    expect([...heard]).toEqual(['acme'])
  })

  it('is its own when its connection is taken away in a call of another tenant', async () => {
    const heard: unknown[] = []
    const lease = await world.lease('acme')
    runAsTenant(acme, () => lease.signal.addEventListener('abort', () => heard.push(currentTenant())))
    const error = new Error('held')
    const hold = runAsTenant(globex, () =>
      world.router.hold('acme', Object.assign(new TenantMismatchError('a', 'b'), error)),
    )
    await vi.waitFor(() => expect(heard).toEqual(['acme']))
    hold[Symbol.dispose]()
    lease.release()
  })

  it('is none for those who listen to the router, where none was when they began', async () => {
    const heard = new Set<unknown>()
    const events = ['opened', 'closed', 'evicted', 'leased', 'released'] as const
    const listeners = events.map((event) =>
      world.router.on(event, ({ tenant }) => void heard.add(`${event} ${tenant} in ${currentTenant()}`)),
    )
    await afterGlobex(async (sql) => await sql`select 1`)
    for (const listener of listeners) listener[Symbol.dispose]()
    expect([...heard].filter((line) => !String(line).endsWith('in undefined'))).toEqual([])
    expect(heard).toContain('opened acme in undefined')
    await runAsTenant(acme, () => world.lease('acme')).then((lease) => lease.release())
    expect(heard.size).toBeGreaterThan(4)
  })
})

describe('a query that is sent when it is awaited', () => {
  const whose = () => world.router.sql()`select distinct tenant from notes`

  it('runs as the tenant that it was asked for as, wherever it is awaited', async () => {
    expect(await runAsTenant(acme, whose)).toEqual([{ tenant: 'acme' }])
    const seen = await runAsTenant(globex, async () => await runAsTenant(acme, whose))
    expect(seen).toEqual([{ tenant: 'acme' }])
  })

  it('rejects as it would have, and what is no query is given back as it is', async () => {
    const failing = runAsTenant(acme, () => world.router.sql()`select 1 / 0`)
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    const promise = Promise.resolve(1)
    expect(runAsTenant(acme, () => promise)).toBe(promise)
    expect(runAsTenant(acme, () => ({ n: 1 }))).toEqual({ n: 1 })
  })
})

describe('a handle of one tenant in the context of another', () => {
  const elsewhere = (work: () => PromiseLike<unknown>) => runAsTenant(globex, async () => await work())

  it('is refused, whatever kind of handle it is, and the log is told both names', async () => {
    const { router } = world
    const refused = (work: () => PromiseLike<unknown>) =>
      expect(elsewhere(work)).rejects.toThrow(
        'a handle of tenant acme was used in the context of tenant globex',
      )
    await refused(() => router.sql('acme')`select 1`)
    await refused(() => router.sql('acme').begin((sql) => sql`select 1`))
    await router.withTenant('acme', async (sql) => {
      await refused(() => sql`select 1`)
      await refused(() => sql.begin((tx) => tx`select 1`))
      await refused(() => sql.reserve())
      const crossing = sql.begin(async (tx) => {
        await tx`select 1`
        await refused(() => tx.savepoint((inner) => inner`select 1`))
        return 'committed'
      })
      expect(await crossing).toBe('committed')
    })
    using lease = await router.lease('acme')
    await refused(() => lease.sql`select 1`)
    await refused(() => lease.run({ text: 'select 1' }))
    await refused(() => lease.stream({ text: 'select 1' }, () => Promise.resolve()))
    expect((await lease.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  })

  it('is not refused where a lease of it was asked for there, by name', async () => {
    await elsewhere(async () => {
      using lease = await world.lease('acme')
      expect(await lease.sql`select distinct tenant from notes`).toEqual([{ tenant: 'acme' }])
      const third = runAsTenant(parseTenantId('initech'), async () => await lease.sql`select 1`)
      await expect(third).rejects.toBeInstanceOf(TenantMismatchError)
    })
    const handed = elsewhere(() =>
      world.router.withTenant('acme', (sql) => runAsTenant(globex, async () => await sql`select 1`)),
    )
    await expect(handed).rejects.toBeInstanceOf(TenantMismatchError)
  })

  it('holds the ambient handle to the tenant that its transaction began for', async () => {
    const sql = world.router.sql()
    const crossing = runAsTenant(acme, () =>
      sql.begin(async (tx) => {
        await tx`select 1`
        await elsewhere(() => tx`select 1`)
      }),
    )
    await expect(crossing).rejects.toBeInstanceOf(TenantMismatchError)
    const seen = await runAsTenant(acme, async () => await sql`select distinct tenant from notes`)
    expect(seen).toEqual([{ tenant: 'acme' }])
  })

  it('says neither name to the caller', async () => {
    const error = await elsewhere(() => world.router.sql('acme')`select 1`).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TenantMismatchError)
    expect(error).toMatchObject({ publicDetail: expect.not.stringMatching(/acme|globex/) })
  })
})

import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  CancelledError,
  InvalidRequestError,
  LoadTimeoutError,
  NoTenantError,
  TenantDeletedError,
  TenantMismatchError,
  TenantSuspendedError,
  TenantUnknownError,
} from '../../src/errors.ts'
import { createCache, type TenantCaches } from '../../src/scope/cache.ts'
import { currentTenant, runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { type ScopeGround, startScopes } from './scope-ground.ts'

let ground: ScopeGround
let cache: TenantCaches
beforeAll(async () => {
  ground = await startScopes()
})
beforeEach(async () => {
  await ground.server.command('flushall')
  cache = newCache()
})
afterAll(() => ground[Symbol.asyncDispose]())

/** As another process would have it. */
const newCache = (options: { loadTimeoutMs?: number; maxValueBytes?: number } = {}) =>
  createCache({ redis: ground.redis, router: ground.world.router, ...options })
const entries = async () => {
  const keys = await ground.server.command('keys', '*')
  return Array.isArray(keys) ? keys.map(String).filter((key) => !key.endsWith(':version')) : []
}

describe('a tenant’s cache', () => {
  it('keeps values of JSON for as long as it was told', async () => {
    const acme = cache.forTenant('acme')
    const value = { list: [1, 'ü', null], flag: false }
    expect(await acme.get('k')).toBeUndefined()
    expect(await acme.set('k', value, { ttlMs: 60_000 })).toBe(true)
    expect(await newCache().forTenant('acme').get('k')).toEqual(value)
    const [entry = ''] = await entries()
    const left = Number(await ground.server.command('pttl', entry))
    expect(left).toBeGreaterThan(50_000)
    expect(left).toBeLessThanOrEqual(60_000)
    await acme.set('k', 1, { ttlMs: 1 })
    await vi.waitFor(async () => expect(await acme.get('k')).toBeUndefined())
  })

  it('tells keys apart by their parts', async () => {
    const acme = cache.forTenant('acme')
    const keys = ['a', ['a'], ['a', 'b'], ['ab'], 'ab', ['text', 'a'], [1], ['1'], '', [], ['']]
    for (const [at, key] of keys.entries()) await acme.set(key, at)
    expect(await Promise.all(keys.map((key) => acme.get(key)))).toEqual([...keys.keys()])
  })

  it('forgets one entry, or all of the tenant’s and nobody else’s', async () => {
    const [acme, globex] = [cache.forTenant('acme'), cache.forTenant('globex')]
    for (const key of ['a', 'b', 'c']) {
      await acme.set(key, key)
      await globex.set(key, key)
    }
    expect(await acme.delete('a')).toBe(true)
    expect([await acme.get('a'), await acme.get('b')]).toEqual([undefined, 'b'])
    expect(await acme.flush()).toBe(true)
    expect([await acme.get('b'), await acme.get('c')]).toEqual([undefined, undefined])
    expect([await globex.get('a'), await globex.get('b')]).toEqual(['a', 'b'])
    await acme.set('b', 'new')
    expect([await acme.get('b'), await acme.get('c')]).toEqual(['new', undefined])
  })

  it('flushes by one command, however much there is', async () => {
    const acme = cache.forTenant('acme')
    await Promise.all(Array.from({ length: 500 }, (_, at) => acme.set([at], at)))
    const before = await commandsOf()
    await acme.flush()
    expect((await commandsOf()) - before).toBeLessThanOrEqual(2) // and the one that asks
    expect(await acme.get([250])).toBeUndefined()
  })

  it('refuses what is no JSON and times that no entry may have, and keeps nothing too large', async () => {
    const acme = newCache({ maxValueBytes: 10 }).forTenant('acme')
    await expect(acme.set('k', undefined)).rejects.toThrow(InvalidRequestError)
    await expect(acme.set('k', 1n)).rejects.toThrow(InvalidRequestError)
    for (const ttlMs of [0, -1, 1.5, Number.NaN, 86_400_001])
      await expect(acme.set('k', 1, { ttlMs })).rejects.toThrow(InvalidRequestError)
    expect(await acme.set('k', 'ü'.repeat(5))).toBe(false)
    expect(await acme.getOrLoad('k', {}, () => 'x'.repeat(20))).toHaveLength(20)
    expect(await acme.get('k')).toBeUndefined()
    expect(await acme.set('k', 'ü'.repeat(4))).toBe(true)
  })
})

describe('the handle of a cache', () => {
  it('is of one tenant, named or ambient', async () => {
    const [acme, globex] = [parseTenantId('acme'), parseTenantId('globex')]
    expect(() => cache.forTenant()).toThrow(NoTenantError)
    await runAsTenant(acme, async () => {
      expect(cache.forTenant().tenant).toBe('acme')
      expect(() => cache.forTenant('globex')).toThrow(TenantMismatchError)
      await cache.forTenant().set('k', 'acme’s')
    })
    const kept = cache.forTenant('acme')
    await runAsTenant(globex, async () => {
      expect(await cache.forTenant().get('k')).toBeUndefined()
      for (const use of [
        () => kept.get('k'),
        () => kept.set('k', 1),
        () => kept.delete('k'),
        () => kept.flush(),
        () => kept.getOrLoad('k', {}, () => 1),
      ])
        await expect(use()).rejects.toThrow(TenantMismatchError)
    })
    expect(await kept.get('k')).toBe('acme’s')
  })

  it('refuses a tenant that is not served, as its database would', async () => {
    const globex = cache.forTenant('globex')
    await globex.set('k', 1)
    await ground.setStatus('globex', 'suspended')
    await expect(globex.get('k')).rejects.toThrow(TenantSuspendedError)
    await expect(globex.getOrLoad('k', {}, () => 1)).rejects.toThrow(TenantSuspendedError)
    await ground.setStatus('globex', 'deleted')
    await expect(globex.get('k')).rejects.toThrow(TenantDeletedError)
    await ground.setStatus('globex', 'active')
    expect(await globex.get('k')).toBe(1)
    await expect(cache.forTenant('nobody').get('k')).rejects.toThrow(TenantUnknownError)
  })
})

describe('what is loaded', () => {
  it('is loaded once for all who ask meanwhile, as the tenant, and kept', async () => {
    const acme = cache.forTenant('acme')
    const { load, end, starts } = controlled()
    const asked = Array.from({ length: 50 }, () => acme.getOrLoad<{ n: number }>('k', {}, load))
    await vi.waitFor(() => expect(starts).toEqual(['acme']))
    end({ n: 1 })
    const [first, second] = await Promise.all(asked)
    expect(first).toEqual({ n: 1 })
    expect(second).not.toBe(first) // nobody changes another's
    expect(await newCache().forTenant('acme').getOrLoad('k', {}, load)).toEqual({ n: 1 })
    expect(starts).toEqual(['acme'])
  })

  it('comes back the same from a load as from the cache', async () => {
    const acme = cache.forTenant('acme')
    const load = () => ({ at: new Date(0), no: undefined }) as unknown
    const loaded = await acme.getOrLoad('k', {}, load)
    expect(loaded).toEqual({ at: '1970-01-01T00:00:00.000Z' })
    expect(await acme.getOrLoad('k', {}, load)).toEqual(loaded)
  })

  it('goes on when one of those who wait gives up', async () => {
    const acme = cache.forTenant('acme')
    const { load, end, starts } = controlled()
    const gone = new AbortController()
    const first = acme.getOrLoad('k', { signal: gone.signal }, load).catch((error: unknown) => error)
    await vi.waitFor(() => expect(starts).toHaveLength(1))
    const other = acme.getOrLoad('k', {}, load)
    gone.abort()
    expect(await first).toBeInstanceOf(CancelledError)
    await expect(acme.getOrLoad('k', { signal: gone.signal }, load)).rejects.toThrow(CancelledError)
    end('done')
    expect(await other).toBe('done')
    expect(await acme.get('k')).toBe('done')
  })

  it('is loaded again after a failure, after nothing was found, and after it took too long', async () => {
    const acme = newCache({ loadTimeoutMs: 50 }).forTenant('acme')
    const fail = () => Promise.reject(new Error('no luck'))
    await expect(acme.getOrLoad('k', {}, fail)).rejects.toThrow('no luck')
    await expect(
      acme.getOrLoad('k', {}, () => {
        throw new Error('at once')
      }),
    ).rejects.toThrow('at once')
    expect(await acme.getOrLoad('k', {}, () => undefined)).toBeUndefined()
    await expect(acme.getOrLoad('k', {}, () => new Promise(() => {}))).rejects.toThrow(LoadTimeoutError)
    expect(await acme.getOrLoad('k', {}, () => null)).toBeNull()
    expect(await acme.getOrLoad('k', {}, () => 'not asked')).toBeNull()
  })

  for (const how of ['delete', 'flush'] as const) {
    it(`is not kept where a ${how} by another process came in between, and later callers load anew`, async () => {
      const [acme, elsewhere] = [cache.forTenant('acme'), newCache().forTenant('acme')]
      const { load, end, starts } = controlled()
      const old = acme.getOrLoad('k', {}, load)
      await vi.waitFor(() => expect(starts).toHaveLength(1))
      await (how === 'delete' ? elsewhere.delete('k') : elsewhere.flush())
      expect(await acme.getOrLoad('k', {}, () => 'new')).toBe('new') // does not join the old one
      end('old')
      expect(await old).toBe('old') // who asked before gets what was then
      expect(await acme.get('k')).toBe('new')
    })
  }
})

/** A load that ends when it is told to; `starts` says as which tenant it ran. */
function controlled() {
  const starts: (string | undefined)[] = []
  let end: (value: unknown) => void = () => {}
  const result = new Promise<unknown>((resolve) => {
    end = resolve
  })
  const load = <T>(): Promise<T> => {
    starts.push(currentTenant())
    return result as Promise<T> // what the test ends it with
  }
  return { load, end: (value: unknown) => end(value), starts }
}

async function commandsOf(): Promise<number> {
  const stats = String(await ground.redis.call('info', 'stats'))
  return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1])
}

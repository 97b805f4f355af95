import { Hono } from 'hono'
import { header, type TenancyEnv, tenancy } from 'tenantry/hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TenantDeletedError } from '../../src/errors.ts'
import { createCache } from '../../src/scope/cache.ts'
import { createJobs } from '../../src/scope/jobs.ts'
import { checkCache } from './random-cache.ts'
import { type ScopeGround, startScopes } from './scope-ground.ts'

let ground: ScopeGround
beforeAll(async () => {
  ground = await startScopes()
})
afterAll(() => ground[Symbol.asyncDispose]())

describe('the caches of several tenants', () => {
  it('give each what it wrote itself and nothing else, through 2,000 random operations', async () => {
    await expect(checkCache(ground, 2_000, 8, 20_261_122)).resolves.toBeUndefined()
  })

  it('show nothing old to a tenant that was made anew, nor to one that has moved', async () => {
    const acme = createCache({ redis: ground.redis, router: ground.world.router }).forTenant('acme')
    for (const change of ['remake', 'raiseEpoch'] as const) {
      await acme.set('k', 'old')
      await ground[change]('acme')
      expect(await acme.get('k')).toBeUndefined()
      expect(await acme.getOrLoad('k', {}, () => 'new')).toBe('new')
    }
  })

  it('count no entry at another place than its own, not of the same tenant either', async () => {
    const { redis, world, server } = ground
    await server.command('flushall')
    const acme = createCache({ redis, router: world.router }).forTenant('acme')
    await acme.set('public', 'seen by all')
    const [source] = await namesOfEntries()
    await acme.set('private', 'seen by one')
    const [target] = (await namesOfEntries()).filter((name) => name !== source)
    await redis.call('copy', target ?? '', source ?? '', 'replace')
    expect(await acme.get('private')).toBe('seen by one')
    expect(await acme.get('public')).toBeUndefined()
  })

  it('keep what is loaded from a tenant that is made anew meanwhile', async () => {
    const acme = createCache({ redis: ground.redis, router: ground.world.router }).forTenant('acme')
    await acme.getOrLoad('other', {}, () => 1)
    const loaded = await acme.getOrLoad('loaded', {}, async () => {
      await ground.remake('acme')
      return 'of the former'
    })
    expect(loaded).toBe('of the former')
    expect(await acme.get('loaded')).toBeUndefined()
  })

  it('share no entry between two registries with the same tenants', async () => {
    const { redis, world } = ground
    const other = {
      directory: world.router.directory,
      registry: { ...world.registry, id: crypto.randomUUID() },
    }
    const here = createCache({ redis, router: world.router }).forTenant('globex')
    const there = createCache({ redis, router: other as typeof world.router }).forTenant('globex')
    await here.set('k', 'here')
    await there.set('k', 'there')
    expect([await here.get('k'), await there.get('k')]).toEqual(['here', 'there'])
    await there.flush()
    expect(await here.get('k')).toBe('here')
  })
})

async function namesOfEntries(): Promise<string[]> {
  const keys = await ground.server.command('keys', '*')
  return Array.isArray(keys) ? keys.map(String).filter((name) => !name.endsWith(':version')) : []
}

describe('what began for a tenant reaches nothing of another that is made under its name meanwhile:', () => {
  it('a job', async () => {
    const { router } = ground.world
    const jobs = createJobs({ router, key: 'a key of these jobs: 32 characters' })
    const job = await jobs.seal('report', 1, { tenant: 'initech' })
    const cache = createCache({ redis: ground.redis, router })
    const refused = await jobs.run(job, async ({ sql }) => {
      await cache.forTenant().set('k', 'own')
      await ground.remake('initech')
      const ways = [
        sql`select 1`,
        router.sql()`select 1`,
        router.withTenant('initech', (own) => own`select 1`),
        cache.forTenant().set('k', 'old'),
        jobs.seal('next', 1),
      ]
      return (await Promise.allSettled(ways)).map((way) => way.status === 'rejected' && way.reason)
    })
    expect(refused).toEqual(Array(5).fill(expect.objectContaining({ code: 'tenant_deleted' })))
    expect(await cache.forTenant('initech').get('k')).toBeUndefined() // who asks for the new one is given it
  })

  it('a request of an application', async () => {
    const { router } = ground.world
    const app = new Hono<TenancyEnv>()
    app.use(tenancy({ router, resolve: [header()], authorize: () => true }))
    app.get('/', async (c) => {
      await ground.remake('globex')
      const refusal: unknown = await c.var.sql`select 1`.catch((error: unknown) => error)
      return c.text(refusal instanceof TenantDeletedError ? 'refused' : 'served')
    })
    const answer = await app.request('/', { headers: { 'x-tenant-id': 'globex' } })
    expect(await answer.text()).toBe('refused')
  })
})

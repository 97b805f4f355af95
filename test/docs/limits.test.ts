import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import { apiKey, limited, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import { createLimiter } from 'tenantry/redis'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { tellLimits } from '../../src/http/limit-headers.ts'
import { allowanceOf, Plans } from '../../src/limits/plans.ts'
import { startWorld } from '../support/world.ts'

const page = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8')
const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []

describe('the page about limits', () => {
  it('has plans that are taken, and come to what it says', () => {
    const plans = Plans.parse(parse(yaml))
    const of = (plan: string) => allowanceOf({ labels: { plan }, limits: { weight: 1 } }, plans, 0)
    expect(of('gold')).toMatchObject({ plan: null, rate: { quota: 100, windowSeconds: 10 }, concurrency: 20 })
    expect(of('batch').rate).toMatchObject({ quota: 600, windowSeconds: 60 })
    expect(of('internal')).toMatchObject({ rate: null, concurrency: null })
  })

  it('has headers as they are sent', async () => {
    const app = new Hono().get('/', (c) => {
      const allowance = allowanceOf({ labels: {}, limits: { weight: 1 } }, Plans.parse(parse(yaml)), 0)
      tellLimits(c, { allowance, basis: 'redis', remaining: 42, resetMs: 2_100, active: 2 })
      return c.text('')
    })
    const { headers } = await app.request('/')
    expect(page).toContain(`RateLimit-Policy: ${headers.get('ratelimit-policy')}`)
    expect(page).toContain(`RateLimit: ${headers.get('ratelimit')}`)
  })

  it('has an app that runs', async () => {
    await using world = await startWorld(['acme'])
    const { router } = world
    const plans = { default: { requestsPerMinute: 600, concurrency: 20 } }
    const limiter = createLimiter({ router, plans, replicas: 3 })
    const app = new Hono<TenancyEnv>()
    app.use(tenancy({ router, resolve: [apiKey()] }), limited({ limiter }))
    app.onError(tenancyErrors())
    expect((await app.request('/')).status).toBe(401)
    const [tenant] = (await world.registry.list('tenant', undefined, { limit: 1 })).entries
    if (tenant === undefined) throw new Error('there is no tenant')
    const admission = await limiter.enterTenant(tenant.record.id)
    if (!admission.isAdmitted) throw admission.refusal
    using _passage = admission.passage
    expect(admission.standing).toMatchObject({ basis: 'local', remaining: 32, active: 1 })
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectsApi } from '../../examples/projects-api/app.ts'
import { type Issuer, issuerWith, newKey } from '../../examples/projects-api/issuer.ts'
import { LocalQueue, runJob } from '../../examples/projects-api/jobs.ts'
import { DEMO_TABLES } from '../../src/demo/demo-tenants.ts'
import { openRedis, type RedisConnection } from '../../src/redis.ts'
import { createCache, createJobs, type JobEnvelope } from '../../src/scope/over-redis.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { assertNoLeak, createTestTenancy, type TestTenancy } from '../../src/testing/test-tenancy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'

const TENANTS = ['acme', 'globex'] as const

let server: RedisServer
let redis: RedisConnection
let tenancy: TestTenancy
let issuer: Issuer
beforeAll(async () => {
  server = await startRedis()
  redis = await openRedis(server.url, { deadlineMs: 5_000 }) // this machine may be busy
  tenancy = await createTestTenancy({
    server: sharedPostgres().dsn(),
    tenants: TENANTS,
    schema: DEMO_TABLES,
  })
  issuer = issuerWith(await newKey())
})
afterAll(async () => {
  await tenancy.close()
  await redis.close()
  await server[Symbol.asyncDispose]()
})

function open() {
  const { router } = tenancy
  const cache = createCache({ redis, router })
  const jobs = createJobs({ router, key: 'a key of thirty-two characters!!', redis })
  const envelopes: JobEnvelope[] = []
  const queue = { add: (envelope: JobEnvelope) => void envelopes.push(envelope) }
  const onFault = (fault: unknown) => expect.fail(String(fault))
  const app = projectsApi({
    router,
    issuer: issuer.trusted,
    domain: 'example.com',
    jobs,
    queue,
    cache,
    onFault,
  })
  return { app, jobs, envelopes }
}

describe('the projects API with Redis', () => {
  it('keeps summaries of each tenant for itself, until something changes', async () => {
    const { app } = open()
    const ask = async (tenant: string, path: string, body?: object) => {
      const authorization = `Bearer ${await issuer.tokenFor(tenant)}`
      const options = {
        headers: { authorization },
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      }
      return (await app.request(path, options)).json()
    }
    await ask('acme', '/projects', { name: 'Skates', tasks: ['one', 'two'] })
    expect(await ask('acme', '/summary')).toEqual({ open: 2 })
    expect(await ask('globex', '/summary')).toEqual({ open: 0 })
    await tenancy.sql('acme')`update tasks set is_done = true`
    expect(await ask('acme', '/summary')).toEqual({ open: 2 }) // kept
    await ask('acme', '/projects', { name: 'Hole', tasks: ['three'] })
    expect(await ask('acme', '/summary')).toEqual({ open: 1 })
  })

  it('shows no tenant what another stored', async () => {
    const { app } = open()
    const tokens = new Map<string, string>()
    for (const tenant of TENANTS) tokens.set(tenant, await issuer.tokenFor(tenant))
    const leaks = assertNoLeak(app, {
      tenancy,
      as: (tenant) => ({ authorization: `Bearer ${tokens.get(tenant)}` }),
      write: (marker) => ({ path: '/projects', json: { name: marker } }),
      read: ['/projects', '/summary'],
    })
    await expect(leaks).resolves.toBeUndefined()
  })

  it('runs a job once, whichever worker is given it again', async () => {
    const { app, jobs, envelopes } = open()
    const authorization = `Bearer ${await issuer.tokenFor('acme')}`
    await app.request('/projects/1/finish', { method: 'POST', headers: { authorization } })
    const [envelope] = envelopes
    await runJob(jobs, JSON.parse(JSON.stringify(envelope)))
    await expect(runJob(jobs, envelope)).rejects.toMatchObject({ code: 'job_refused' })
  })

  it('stops taking jobs when too many wait in the process', async () => {
    const { jobs } = open()
    const envelope = await jobs.seal('finish', { project: 1 }, { tenant: 'acme' })
    const forged = { ...envelope, tenant: parseTenantId('globex') }
    const faults: unknown[] = []
    const queue = new LocalQueue(jobs, (fault) => void faults.push(fault))
    for (let count = 0; count < 1_000; count += 1) queue.add(forged)
    expect(() => queue.add(forged)).toThrow('too many jobs')
    await queue.idle()
    expect(faults).toHaveLength(1_000)
    expect(() => queue.add(forged)).not.toThrow()
    await queue.idle()
  })
})

import { readFileSync } from 'node:fs'
import { createJobs } from 'tenantry/redis'
import { assertNoLeak, createTestTenancy, type TestTenancy } from 'tenantry/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { projectsApi } from './app.ts'
import { type Issuer, issuerWith, newKey } from './issuer.ts'
import { LocalQueue } from './jobs.ts'

let tenancy: TestTenancy
let issuer: Issuer
let queue: LocalQueue
let app: ReturnType<typeof projectsApi>
const faults: unknown[] = []

beforeAll(async () => {
  const schema = readFileSync(new URL('schema.sql', import.meta.url), 'utf8')
  tenancy = await createTestTenancy({ tenants: ['acme', 'globex'], schema })
  issuer = issuerWith(await newKey())
  const jobs = createJobs({ router: tenancy.router, key: 'a key of thirty-two characters!!' })
  const onFault = (fault: unknown) => void faults.push(fault)
  queue = new LocalQueue(jobs, onFault)
  const { router } = tenancy
  app = projectsApi({ router, issuer: issuer.trusted, domain: 'example.com', jobs, queue, onFault })
})
beforeEach(() => tenancy.reset())
afterEach(() => {
  const [fault] = faults.splice(0)
  if (fault !== undefined) throw fault
})
afterAll(() => tenancy.close())

async function ask(
  tenant: string,
  path: string,
  options: { method?: string; body?: object; host?: string } = {},
) {
  const { method = options.body ? 'POST' : 'GET', body, host = `${tenant}.example.com` } = options
  return app.request(path, {
    method,
    headers: { authorization: `Bearer ${await issuer.tokenFor(tenant)}`, host },
    ...(body && { body: JSON.stringify(body) }),
  })
}

const Projects = z.array(
  z.object({ name: z.string(), tasks: z.array(z.object({ id: z.number(), title: z.string() })) }),
)
const projectsOf = async (tenant: string) => Projects.parse(await (await ask(tenant, '/projects')).json())
const summaryOf = async (tenant: string) => (await ask(tenant, '/summary')).json()

describe('the projects API', () => {
  it('keeps what a tenant makes in its own database', async () => {
    expect((await ask('acme', '/projects', { body: { name: 'Skates', tasks: ['one', 'two'] } })).status).toBe(
      201,
    )
    expect(await projectsOf('globex')).toEqual([])
    const [project] = await projectsOf('acme')
    expect(project).toMatchObject({ name: 'Skates', tasks: [{ title: 'one' }, { title: 'two' }] })
    expect(await tenancy.sql('globex')`select id from projects`).toHaveLength(0)
  })

  it('makes a project with all of its tasks or not at all', async () => {
    const tooLong = `${'x'.repeat(10)}\u0000` // no text of Postgres holds a zero
    const answer = await ask('acme', '/projects', { body: { name: 'Undone', tasks: ['fine', tooLong] } })
    expect(answer.status).toBe(500)
    expect(faults.splice(0)).toHaveLength(1)
    expect(await projectsOf('acme')).toEqual([])
  })

  it('refuses a body that is no project', async () => {
    const answer = await ask('acme', '/projects', { body: { tasks: ['one'] } })
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('name')])
    const headers = { authorization: `Bearer ${await issuer.tokenFor('acme')}` }
    expect((await app.request('/projects', { method: 'POST', headers, body: '{"name":' })).status).toBe(400)
  })

  it('marks a task as done, and counts those that are not', async () => {
    await ask('acme', '/projects', { body: { name: 'Skates', tasks: ['one', 'two'] } })
    const [project] = await projectsOf('acme')
    const task = `/tasks/${project?.tasks[0]?.id}`
    const changed = await ask('acme', task, { method: 'PATCH', body: { isDone: true } })
    expect(await changed.json()).toMatchObject({ title: 'one', isDone: true })
    expect(await summaryOf('acme')).toEqual({ open: 1 })
  })

  it('finishes a project in the background, of the tenant that asked and of no other', async () => {
    for (const tenant of ['acme', 'globex'])
      await ask(tenant, '/projects', { body: { name: 'Skates', tasks: ['one', 'two'] } })
    expect((await ask('acme', '/projects/1/finish', { method: 'POST' })).status).toBe(202)
    await queue.idle()
    expect(await summaryOf('acme')).toEqual({ open: 0 })
    expect(await summaryOf('globex')).toEqual({ open: 2 })
  })

  it('serves nobody without a token, nor with one of another tenant than the host says', async () => {
    expect((await app.request('/projects', { headers: { host: 'acme.example.com' } })).status).toBe(401)
    expect((await ask('acme', '/projects', { host: 'globex.example.com' })).status).toBe(404)
  })

  it('shows no tenant what another stored', async () => {
    const tokens = new Map<string, string>()
    for (const tenant of tenancy.tenants) tokens.set(tenant, await issuer.tokenFor(tenant))
    const leaks = assertNoLeak(app, {
      tenancy,
      as: (tenant) => ({ authorization: `Bearer ${tokens.get(tenant)}`, host: `${tenant}.example.com` }),
      write: (marker) => ({ path: '/projects', json: { name: marker } }),
      read: ['/projects', '/summary'],
    })
    await expect(leaks).resolves.toBeUndefined()
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectsApp } from '../../examples/hono/app.ts'
import { DEMO_TABLES } from '../../src/demo/demo-tenants.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'], { maxConnections: 4 })
  for (const tenant of ['acme', 'globex']) {
    const { role } = world.placeOf(tenant)
    await world.execute(tenant, `${DEMO_TABLES} grant all on projects, tasks to ${role}`)
  }
})
afterAll(() => world[Symbol.asyncDispose]())

const tenantOf = (request: Request) => request.headers.get('x-user')?.split('@')[1]

describe('the example with plain Hono', () => {
  const name = 'plain Hono'
  const ask = (tenant: string, body?: object) =>
    projectsApp(world.router, tenantOf).request('/projects', {
      headers: { 'x-user': `somebody@${tenant}` },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    })
  const namesOf = async (tenant: string) => {
    const rows = (await (await ask(tenant)).json()) as { name: string }[] // the examples answer rows
    return rows.map((row) => row.name).filter((project) => project.startsWith(name))
  }

  it('keeps what a tenant makes in its own database', async () => {
    expect((await ask('acme', { name: `${name} of acme`, tasks: ['one', 'two'] })).status).toBe(201)
    expect((await ask('globex', { name: `${name} of globex`, tasks: [] })).status).toBe(201)
    expect(await namesOf('acme')).toEqual([`${name} of acme`])
    expect(await namesOf('globex')).toEqual([`${name} of globex`])
    const { database } = world.placeOf('acme')
    expect(await world.server.query('select title from tasks order by title', [], database)).toEqual([
      { title: 'one' },
      { title: 'two' },
    ])
    await world.execute('acme', 'truncate tasks')
  })

  it('makes a project with all of its tasks or not at all', async () => {
    const answer = await ask('acme', { name: `${name}, undone`, tasks: ['fine', null] })
    expect(answer.status).toBe(500)
    expect(await namesOf('acme')).not.toContain(`${name}, undone`)
  })

  it('asks who somebody is before it opens anything', async () => {
    expect((await projectsApp(world.router, tenantOf).request('/projects')).status).toBe(401)
  })

  it('lets no connection go astray', () => {
    expect(world.router.stats().connections.leased).toBe(0)
  })
})

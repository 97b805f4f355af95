import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
let server: string
beforeAll(async () => {
  world = await startServiceWorld()
  await world.tenant('acme')
  const [first] = (await world.operate('/v1/servers')).json.servers
  server = first.id
})
afterAll(() => world[Symbol.asyncDispose]())

describe('POST /v1/servers/:id/drain and undrain', () => {
  it('keep new tenants off a server, and let them on it again', async () => {
    const drained = await world.operate(`/v1/servers/${server}/drain`, { body: {} })
    expect(drained.json.server).toMatchObject({ id: server, draining: true })
    const undrained = await world.operate(`/v1/servers/${server}/undrain`, { body: {} })
    expect(undrained.json.server).toMatchObject({ id: server, draining: false })
    expect((await world.operate('/v1/servers/nowhere/drain', { body: {} })).json.code).toBe('server_unknown')
  })
})

describe('POST /v1/servers/:id/spares and /v1/templates', () => {
  it('say what a server lacks that has no admin login', async () => {
    const spares = await world.operate(`/v1/servers/${server}/spares`, { body: { count: 1 } })
    expect(spares).toMatchObject({ status: 409, json: { code: 'precondition_failed' } })
    const body = { name: 'v1', schema: 'create table x (id int)' }
    expect(await world.operate('/v1/templates', { body })).toMatchObject({ status: 409 })
    expect((await world.operate('/v1/templates')).json).toEqual({ templates: [] })
  })

  it.each([
    ['/v1/templates', { name: 'UPPER', schema: 'select 1' }],
    ['/v1/templates', { name: 'v1', schema: 'commit' }],
    ['/v1/templates', { name: 'v1', schema: 'select 1', extensions: ['dblink'] }],
    [`/v1/servers/main/spares`, { count: -1 }],
  ])('refuse at %s what is none: %j', async (path, body) => {
    expect((await world.operate(path, { body })).status).toBe(400)
  })
})

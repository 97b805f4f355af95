import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
beforeAll(async () => {
  world = await startServiceWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('POST /v1/servers/:id/accept', () => {
  it('tells what it would do, does it, and the tenant is served again at once', async () => {
    const { key, database } = await world.tenant('acme')
    const [{ id }] = (await world.operate('/v1/servers')).json.servers
    const ask = () => world.ask('/v1/query', { key, body: { sql: 'select body from notes' } })
    expect((await ask()).status).toBe(200)
    await world.operate('/v1/tenants/acme/evict', { body: {} })
    // As after a restore: a database of that name, and another number.
    await world.server.execute(`alter database "${database}" rename to "${database}_old"`)
    await world.server.createDatabase(database, { template: `${database}_old` })
    await world.server.execute(
      `revoke connect on database "${database}" from public; grant connect on database "${database}" to "${database}"`,
    )
    expect((await ask()).json).toMatchObject({ status: 502, code: 'identity_unknown' })
    const accept = (body: object) => world.operate(`/v1/servers/${id}/accept`, { body })
    const dry = await accept({ dryRun: true })
    expect(dry.json).toMatchObject({
      server: id,
      dryRun: true,
      tenants: [{ tenant: 'acme', outcome: 'accepted', refusal: null }],
    })
    expect((await ask()).status).toBe(502)
    expect((await accept({})).status).toBe(200)
    await expect.poll(async () => (await ask()).status).toBe(200)
    await world.server.dropDatabase(`${database}_old`)
  })

  it('refuses what it does not know', async () => {
    expect((await world.operate('/v1/servers/nowhere/accept', { body: {} })).json.code).toBe('server_unknown')
    const [{ id }] = (await world.operate('/v1/servers')).json.servers
    const { status } = await world.operate(`/v1/servers/${id}/accept`, { body: { force: true } })
    expect(status).toBe(400)
  })
})

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import { randomName } from '../lifecycle/ground.ts'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

const q = pg.escapeIdentifier
const insert = {
  sql: 'insert into notes (body) values ($1) returning current_user::text as role',
  params: ['x'],
}

let world: ServiceWorld
const admin = randomName('admin')
beforeAll(async () => {
  world = await startServiceWorld({ ADMIN_KEY: generateMasterKey().reveal() })
  await world.server.createRole(admin, 'pw', 'createdb createrole')
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await world.server.dropRole(admin)
})

const adopt = (body: unknown, id = 'acme') => world.operate(`/v1/tenants/${id}/adopt`, { body })

describe('POST /v1/tenants/:id/adopt', () => {
  it('plans, adopts and undoes, and the tenant is served over it all', async () => {
    const { key, database } = await world.tenant('acme')
    const ask = async () => (await world.ask('/v1/query', { key, body: insert })).json.rows
    expect(await ask()).toEqual([{ role: database }])
    const early = await adopt({})
    expect([early.status, early.json.code]).toEqual([409, 'precondition_failed'])
    expect(early.json.detail).toContain('tenantry server add')

    const [server] = (await world.operate('/v1/servers')).json.servers
    const added = await world.operate('/v1/servers', {
      body: { id: server.id, dsn: world.server.dsn('postgres', admin, 'pw') },
    })
    expect(added.status).toBe(200)
    const owner = q(`${database}_o`)
    await world.server.execute(
      `create role ${owner}; grant ${owner} to ${q(admin)};
       alter database ${q(database)} owner to ${owner}; alter table notes owner to ${owner}`,
      database,
    )
    const dry = await adopt({ dryRun: true })
    expect([dry.status, dry.json.plan?.obstacles]).toEqual([200, []])

    const adopted = await adopt({})
    expect(adopted.json).toMatchObject({
      did: 'adopted',
      tenant: { origin: 'provisioned' },
      isReversible: true,
    })
    expect(adopted.text).not.toMatch(/ciphertext|wrappedKey/)
    expect(await ask()).toEqual([{ role: adopted.json.tenant.role }])
    expect((await adopt({ undo: true, hearMs: 0 })).json).toMatchObject({
      did: 'undone',
      tenant: { role: database },
    })
    expect(await ask()).toEqual([{ role: database }])
    await world.server.execute(
      `alter database ${q(database)} owner to current_user; alter table notes owner to current_user; drop role ${owner}`,
      database,
    )
  })

  it.each([
    [{ undo: true, confirm: true }, 'nobody', 400],
    [{ lockOldRole: true }, 'nobody', 400],
    [{ plan: true }, 'nobody', 400],
    [{}, 'nobody', 404],
    [{ undo: true }, 'acme', 409],
    [{ confirm: true }, 'acme', 409],
  ])('answers %j for %s with %i', async (body, id, status) => {
    expect((await adopt(body, id)).status).toBe(status)
  })
})

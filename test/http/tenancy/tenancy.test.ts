import { apiKey, host } from 'tenantry/hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'
import { putAlias } from '../../support/world-keys.ts'
import { keyOf, provedApp, sessionApp } from './ground.ts'

let world: World
let key: string
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'])
  key = await keyOf(world, 'acme')
  await putAlias(world, 'hostname', 'db.customer.test', 'globex')
})
afterAll(() => world[Symbol.asyncDispose]())

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('tenancy', () => {
  it('runs a handler as the tenant of an API key, on the rows of that tenant', async () => {
    const app = provedApp(world, [apiKey(), host('example.com')])
    const answer = await app.request('http://acme.example.com/x', { headers: bearer(key) })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ tenant: 'acme', rows: 'acme' })
  })

  it('runs a handler as the tenant of a host, where the login of the application permits it', async () => {
    const app = sessionApp(world, [host('example.com')])
    const ask = (url: string, user: string) => app.request(url, { headers: { cookie: `user=${user}` } })
    expect(await (await ask('http://acme.example.com/', 'acme')).json()).toMatchObject({ rows: 'acme' })
    expect(await (await ask('http://db.customer.test/', 'globex')).json()).toMatchObject({ rows: 'globex' })
    expect((await ask('http://globex.example.com/', 'acme')).status).toBe(404)
  })
})

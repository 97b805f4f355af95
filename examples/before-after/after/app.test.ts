import { createTestTenancy } from 'tenantry/testing'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { SCHEMA } from '../schema.ts'
import { tokenOf } from '../tokens.ts'
import { notesApp } from './app.ts'

const tenancy = await createTestTenancy({ tenants: ['acme'], schema: SCHEMA })
const app = notesApp(tenancy.router)
beforeEach(() => tenancy.reset())
afterAll(() => tenancy.close())

const authorization = `Bearer ${await tokenOf('acme')}`
const ask = (path: string, method = 'GET', body?: object) =>
  app.request(path, { method, headers: { authorization }, ...(body && { body: JSON.stringify(body) }) })

describe('notes', () => {
  it('are shown in the order in which they were made', async () => {
    expect((await ask('/notes', 'POST', { bodies: ['one', 'two'] })).status).toBe(201)
    expect(await (await ask('/notes')).json()).toMatchObject([{ body: 'one' }, { body: 'two' }])
  })

  it('are all made or none', async () => {
    expect((await ask('/notes', 'POST', { bodies: ['one', null] })).status).toBe(500)
    expect(await (await ask('/notes')).json()).toEqual([])
  })

  it('can be deleted once', async () => {
    await ask('/notes', 'POST', { bodies: ['one'] })
    expect((await ask('/notes/1', 'DELETE')).status).toBe(200)
    expect((await ask('/notes/1', 'DELETE')).status).toBe(404)
  })

  it('are for those who have a token', async () => {
    expect((await app.request('/notes')).status).toBe(401)
  })
})

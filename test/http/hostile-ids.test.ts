import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

/** As bytes: Node sends no other letters in a header. */
const FULL_WIDTH = Buffer.from('ａｃｍｅ').toString('latin1')

let world: ServiceWorld
let key: string
beforeAll(async () => {
  world = await startServiceWorld()
  await world.tenant('acme')
  key = (await world.operate('/v1/keys', { body: { scope: { kind: 'service' } } })).json.secret
})
afterAll(() => world[Symbol.asyncDispose]())

describe('a name that no tenant can have', () => {
  it.each([
    ['__proto__', '__proto__'],
    ['dots', '..'],
    ['a path', '../acme'],
    ['41 letters', 'a'.repeat(41)],
    ['5000 letters', 'a'.repeat(5_000)],
    ['full-width letters', FULL_WIDTH],
    ['capitals', 'ACME'],
  ])('is refused as X-Tenant-ID: %s', async (_, id) => {
    const headers = [['x-tenant-id', id]] as const
    const { status, json, text } = await world.ask('/v1/query', { key, headers, body: { sql: 'select 1' } })
    expect([status, json.code]).toEqual([400, 'invalid_tenant_id'])
    expect(text.length).toBeLessThan(1_000)
  })

  it.each([
    ['__proto__', 400],
    ['%2e%2e', 404],
    ['..%2Facme', 400],
    ['a'.repeat(41), 400],
    [encodeURIComponent('ａｃｍｅ'), 400],
    ['ACME', 400],
  ])('is refused in a path of the operator plane: %s', async (id, status) => {
    for (const verb of ['suspend', 'resume', 'evict']) {
      const answer = await world.operate(`/v1/tenants/${id}/${verb}`, { method: 'POST' })
      expect([verb, answer.status]).toEqual([verb, status])
    }
    expect((await world.operate('/v1/tenants/acme')).json.status).toBe('active')
  })
})

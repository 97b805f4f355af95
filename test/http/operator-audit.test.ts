import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { trailOf } from '../registry/conformance-trail.ts'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
beforeAll(async () => {
  world = await startServiceWorld()
  await world.tenant('acme')
  await world.tenant('globex')
  await world.operate('/v1/tenants/acme/suspend', { body: { reason: 'test' } })
  await world.operate('/v1/tenants/acme/resume', { method: 'POST' })
})
afterAll(() => world[Symbol.asyncDispose]())

const audit = (query = '') => world.operate(`/v1/audit${query}`)
const actions = (json: { entries: { action: string }[] }) => json.entries.map(({ action }) => action)

describe('GET /v1/audit', () => {
  it('tells who changed what, the newest first, in pages', async () => {
    const { status, json } = await audit('?limit=2')
    expect([status, actions(json)]).toEqual([200, ['tenant.resume', 'tenant.suspend']])
    expect(json.entries[1]).toMatchObject({
      actor: expect.stringMatching(/^key:[a-z0-9]{12}$/),
      target: 'acme',
      tenant: 'acme',
      detail: { reason: 'test' },
    })
    const next = await audit(`?limit=2&cursor=${json.next}`)
    expect(next.json.entries[0].link).toBe(json.entries[1].link - 1)
  })

  it('finds by tenant, action and time', async () => {
    expect(actions((await audit('?tenant=globex')).json)).toEqual(['key.create', 'tenant.register'])
    expect(actions((await audit('?action=tenant.suspend')).json)).toEqual(['tenant.suspend'])
    expect((await audit('?since=2100-01-01T00:00:00Z')).json.entries).toEqual([])
    const oldest = await audit('?order=oldest&action=tenant&tenant=acme')
    expect(actions(oldest.json)).toEqual(['tenant.register', 'tenant.suspend', 'tenant.resume'])
  })

  it.each(['?since=yesterday', '?limit=0', '?limit=1001', '?order=random', '?colour=red'])(
    'refuses %s',
    async (query) => {
      expect((await audit(query)).status).toBe(400)
    },
  )
})

describe('POST /v1/audit/verify', () => {
  it('says that it is whole, from the first entry that was sealed on', async () => {
    // The very first was written by hand, without the key.
    const { json: whole } = await world.operate('/v1/audit/verify', { body: {} })
    expect(whole).toMatchObject({ whole: false, faults: 1, fault: { kind: 'unsealed', count: 1 } })
    expect(whole.meaning).toMatch(/^1 entry .* without a seal/)
    const [second] = (await audit('?order=oldest&limit=2')).json.entries.slice(1)
    const { json } = await world.operate('/v1/audit/verify', { body: { since: second.at } })
    expect(json).toMatchObject({ whole: true, fault: null, head: expect.stringMatching(/^\d+:[\w-]{43}$/) })
  })

  it('remembers for the operator how far it was whole, and says when that is gone', async () => {
    const { json } = await world.operate('/v1/audit/verify', { body: {} })
    const expectHead = (head: string) => world.operate('/v1/audit/verify', { body: { expect: head } })
    expect((await expectHead(json.head)).json.faults).toBe(1)
    const other = json.head.replace(/:.*/, `:${'A'.repeat(43)}`)
    expect((await expectHead(other)).json.faults).toBe(2)
    expect((await expectHead('nonsense')).status).toBe(400)
  })
})

describe('cross-tenant attempts', () => {
  it('are in the audit when the service has ended, counted', async () => {
    const away = await startServiceWorld()
    const own = await away.tenant('acme')
    await away.tenant('globex')
    const body = { sql: 'select 1' }
    for (let i = 0; i < 3; i += 1) {
      const headers = [['x-tenant-id', 'globex']] as const
      expect((await away.ask('/v1/query', { key: own.key, body, headers })).status).toBe(404)
    }
    await away.service.close()
    await using registry = await FileRegistry.open(join(away.folder, 'registry.yaml'))
    const { entries } = await trailOf(registry, { action: 'call' })
    expect(entries.map((entry) => entry.audit)).toMatchObject([
      {
        action: 'call.refuse',
        target: 'globex',
        tenant: 'globex',
        detail: { why: 'tenant_mismatch', count: 3, keyOf: 'acme' },
      },
    ])
    await registry.close()
    await away[Symbol.asyncDispose]()
  })
})

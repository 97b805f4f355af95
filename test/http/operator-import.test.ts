import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerOf, type RawAnswer, type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
beforeAll(async () => {
  world = await startServiceWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

/** A body as it stands, of this content type. */
async function sent(path: string, type: string, text: string): Promise<RawAnswer> {
  const url = new URL(path, world.service.opsUrl)
  const { key = '' } = world.asAdmin()
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': type },
    body: text,
  })
  const answer = await response.text()
  return { status: response.status, headers: {}, text: answer, json: JSON.parse(answer) }
}

describe('POST /v1/tenants/import', () => {
  it('takes CSV, JSON lines and JSON; its tenants are served at once', async () => {
    const [one, two, three] = [await world.database(), await world.database(), await world.database()]
    const csv = await sent('/v1/tenants/import', 'text/csv; charset=utf-8', `id,dsn\none,${one}\n`)
    expect([csv.status, csv.json.rows]).toEqual([
      200,
      [expect.objectContaining({ tenant: 'one', outcome: 'imported' })],
    ])
    const lines = JSON.stringify({ id: 'two', dsn: two, hostnames: ['two.customer.test'] })
    expect((await sent('/v1/tenants/import', 'application/x-ndjson', lines)).json.rows[0].outcome).toBe(
      'imported',
    )
    const body = {
      rows: [
        { id: 'three', dsn: three },
        { id: 'one', dsn: one },
      ],
    }
    const json = await world.operate('/v1/tenants/import', { body })
    expect(json.json.rows.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['imported', 'there'])
    const key = await world.keyFor('two')
    const headers = [['host', 'two.customer.test']] as const
    const asked = await world.ask('/v1/query', { key, body: { sql: 'select 1 as one' }, headers })
    expect(asked.json.rows).toEqual([{ one: 1 }])
    for (const { text } of [csv, json]) expect(text).not.toMatch(/postgres:|password/)
  })

  it('says that a row is too deep, which could be read and not be kept', async () => {
    const rows = `[{"id":"deep","dsn":${'['.repeat(50_000)}${']'.repeat(50_000)}}]`
    const { status, json } = await sent('/v1/tenants/import', 'application/json', `{"rows":${rows}}`)
    expect([status, json.code]).toEqual([400, 'invalid_request'])
    expect(json.detail).toMatch(/nested too deeply/)
  })

  it('keeps nothing on a dry run, and tells every fault', async () => {
    const dsn = await world.database()
    const body = {
      rows: [
        { id: 'dry', dsn },
        { id: 'DRY', dsn: 'mysql://u:canary@h/d', colour: 1 },
      ],
    }
    const { status, json, text } = await world.operate('/v1/tenants/import?dryRun=true&probe=true', { body })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      dryRun: true,
      rows: [{ tenant: 'dry', outcome: 'new' }],
      faults: [{ line: 2 }, { line: 2 }, { line: 2 }],
    })
    expect((await world.operate('/v1/tenants/dry')).status).toBe(404)
    const real = await world.operate('/v1/tenants/import', { body })
    expect([real.status, real.json.code]).toEqual([400, 'invalid_request'])
    expect(real.json.detail).toMatch(/3 faults.*line 2: id: /)
    expect(text + real.text).not.toContain('canary')
    expect((await world.operate('/v1/tenants/dry')).status).toBe(404)
  })

  it('answers 202 with the operation where the caller does not wait', async () => {
    const body = { rows: [{ id: 'later', dsn: await world.database() }] }
    const { status, json, headers } = await world.operate('/v1/tenants/import', {
      body,
      headers: [['prefer', 'respond-async']],
    })
    expect([status, headers.location]).toEqual([202, `/v1/operations/${json.operation.id}`])
    const events = await answerOf(world.open(`${headers.location}/events`, world.asAdmin()))
    expect(events.text).toMatch(/"kind":"import".*"progress":\{"done":1,"total":1\}.*"state":"done"/)
    expect((await world.operate('/v1/tenants/later')).json.status).toBe('active')
  })

  it.each([
    ['/v1/tenants/import?dryRun=maybe', 'text/csv', 'id,dsn\n'],
    ['/v1/tenants/import?colour=red', 'text/csv', 'id,dsn\n'],
    ['/v1/tenants/import?concurrency=65', 'text/csv', 'id,dsn\n'],
    ['/v1/tenants/import', 'text/html', 'id,dsn\n'],
    ['/v1/tenants/import', 'application/json', '{"rows": 7}'],
    ['/v1/tenants/import', 'application/json', '{"rows": []}'],
  ])('refuses %s with %s %j', async (path, type, text) => {
    expect((await sent(path, type, text)).status).toBe(400)
  })
})

describe('POST /v1/tenants/:id/unregister', () => {
  it('forgets a tenant that says its name, whose keys are refused from then on', async () => {
    const { key } = await world.tenant('gone')
    const refused = await world.operate('/v1/tenants/gone/unregister', { method: 'POST' })
    expect(refused.status).toBe(400)
    const { status, json } = await world.operate('/v1/tenants/gone/unregister', { body: { confirm: 'gone' } })
    expect([status, json.tenant]).toEqual([200, 'gone'])
    expect((await world.operate('/v1/tenants/gone')).status).toBe(404)
    const asked = await world.ask('/v1/query', { key, body: { sql: 'select 1' } })
    expect([401, 410]).toContain(asked.status)
  })
})

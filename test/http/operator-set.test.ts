import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

let world: ServiceWorld
let service: string
const keys: Record<string, string> = {}
beforeAll(async () => {
  world = await startServiceWorld()
  service = (await world.operate('/v1/keys', { body: { scope: { kind: 'service' } } })).json.secret
  for (const id of ['acme', 'globex']) keys[id] = (await world.tenant(id)).key
})
afterAll(() => world[Symbol.asyncDispose]())

const patch = (id: string, body: unknown, ifMatch?: string) =>
  world.operate(`/v1/tenants/${id}`, {
    method: 'PATCH',
    body,
    headers: ifMatch === undefined ? [] : [['if-match', ifMatch]],
  })
const etagOf = async (id: string) => String((await world.operate(`/v1/tenants/${id}`)).headers['etag'])
const limitsOf = async (id: string) => (await world.ask('/v1/tenant', { key: keys[id] ?? '' })).json.limits

describe('PATCH /v1/tenants/:id', () => {
  it('tells old and new, and the running router keeps to it', async () => {
    const { status, json } = await patch('acme', {
      limits: { maxConnections: 1, maxResultBytes: 2_000, statementTimeoutMs: 150 },
      labels: { plan: 'pro' },
    })
    expect(status).toBe(200)
    expect(json.changes).toEqual([
      { field: 'limits.maxConnections', from: null, to: 1 },
      { field: 'limits.maxResultBytes', from: null, to: 2_000 },
      { field: 'limits.statementTimeoutMs', from: null, to: 150 },
      { field: 'labels.plan', from: null, to: 'pro' },
    ])
    await vi.waitFor(async () => expect(await limitsOf('acme')).toMatchObject({ maxConnections: 1 }))
    const ask = (sql: string) => world.ask('/v1/query', { key: keys['acme'] ?? '', body: { sql } })
    expect((await ask('select pg_sleep(5)')).json.code).toBe('statement_timeout')
    expect((await ask("select repeat('x', 5000)")).json.code).toBe('result_too_large')
  })

  it('takes away what is null, keeps what is not named, and says when all was so already', async () => {
    await patch('acme', { limits: { maxConnections: 3, weight: 2 }, labels: { plan: 'pro', tier: 'one' } })
    const removed = await patch('acme', {
      limits: { maxConnections: null, weight: null },
      labels: { tier: null },
    })
    expect(removed.json.changes).toEqual([
      { field: 'limits.maxConnections', from: 3, to: null },
      { field: 'limits.weight', from: 2, to: 1 },
      { field: 'labels.tier', from: 'one', to: null },
    ])
    expect(removed.json.tenant).toMatchObject({ labels: { plan: 'pro' }, limits: { weight: 1 } })
    const again = await patch('acme', { labels: { plan: 'pro', tier: null } })
    expect(again.json).toMatchObject({ changes: [], tenant: { revision: removed.json.tenant.revision } })
  })

  it.each([
    ['nothing', {}, 400],
    ['groups without anything in them', { limits: {}, labels: {} }, 400],
    ['a limit of zero', { limits: { maxConnections: 0 } }, 400],
    ['a limit that is none', { limits: { connections: 5 } }, 400],
    ['a label that is none', { labels: { Plan: 'x' } }, 400],
    ['__proto__', JSON.parse('{"labels":{"__proto__":"x"}}'), 400],
    ['a status', { status: 'suspended' }, 400],
  ])('refuses %s', async (_, body, status) => {
    expect((await patch('acme', body)).status).toBe(status)
  })

  it('leaves labels to admins: by them a service key reaches tenants that it was not given for', async () => {
    const scope = { kind: 'operator', role: 'operator' }
    const key = (await world.operate('/v1/keys', { body: { scope } })).json.secret
    const asOperator = (body: unknown) =>
      world.ask('/v1/tenants/acme', { plane: 'operator', method: 'PATCH', key, body })
    for (const labels of [{ reach: 'mine' }, { plan: null }]) {
      const refused = await asOperator({ limits: { weight: 3 }, labels })
      expect([refused.status, refused.json.code]).toEqual([403, 'forbidden'])
    }
    expect((await asOperator({ limits: { weight: 3 }, labels: {} })).json.tenant.limits.weight).toBe(3)
    expect((await world.operate('/v1/tenants/acme')).json.labels).toEqual({ plan: 'pro' })
  })

  it('answers 404 for a tenant that is not there', async () => {
    expect((await patch('nobody', { labels: { plan: 'x' } })).json.code).toBe('tenant_unknown')
  })
})

describe('If-Match', () => {
  it('changes only what is as it was seen; the answer has the tag for the next change', async () => {
    const seen = await etagOf('globex')
    const first = await patch('globex', { labels: { n: '1' } }, seen)
    expect(first.headers['etag']).toBe(`"${first.json.tenant.revision}"`)
    const stale = await patch('globex', { labels: { n: '2' } }, seen)
    expect([stale.status, stale.json.code]).toEqual([409, 'revision_conflict'])
    const next = await patch('globex', { labels: { n: '2' } }, String(first.headers['etag']))
    expect(next.json.tenant.labels).toEqual({ n: '2' })
  })

  it('lets one of many win who all saw the same', async () => {
    const seen = await etagOf('globex')
    const names = ['a', 'b', 'c', 'd']
    const answers = await Promise.all(
      names.map((name) => patch('globex', { labels: { winner: name } }, seen)),
    )
    const won = names.filter((_, index) => answers[index]?.status === 200)
    expect(won).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(names.length - 1)
    expect((await world.operate('/v1/tenants/globex')).json.labels.winner).toBe(won[0])
  })

  it('without it nobody loses: each change is made on what is there by then', async () => {
    const names = ['e', 'f', 'g', 'h']
    const answers = await Promise.all(names.map((name) => patch('globex', { labels: { [name]: name } })))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect((await world.operate('/v1/tenants/globex')).json.labels).toMatchObject({
      e: 'e',
      f: 'f',
      g: 'g',
      h: 'h',
    })
  })

  it('is kept to by every other change of a tenant, before it touches anything', async () => {
    const stale = [['if-match', '"1"']] as const
    const { database } = (await world.operate('/v1/tenants/globex')).json
    for (const verb of ['suspend', 'resume', 'check', 'evict']) {
      const refused = await world.operate(`/v1/tenants/globex/${verb}`, { method: 'POST', headers: stale })
      expect([verb, refused.json.code]).toEqual([verb, 'revision_conflict'])
    }
    const alias = { kind: 'hostname', value: 'stale.example.test' }
    const refused = await world.operate('/v1/tenants/globex/aliases', { body: alias, headers: stale })
    expect(refused.json.code).toBe('revision_conflict')
    expect((await world.operate('/v1/tenants/globex')).json).toMatchObject({
      status: 'active',
      database,
      aliases: [],
    })
    const seen = [['if-match', await etagOf('globex')]] as const
    const suspended = await world.operate('/v1/tenants/globex/suspend', { body: {}, headers: seen })
    expect(suspended.status).toBe(200)
    const next = [['if-match', String(suspended.headers['etag'])]] as const
    expect((await world.operate('/v1/tenants/globex/resume', { body: {}, headers: next })).status).toBe(200)
  })

  it.each(['7', 'W/"7"', '"x"', '"1", "2"', ''])('refuses %j, and * is any', async (tag) => {
    expect((await patch('globex', { labels: { n: '3' } }, tag)).status).toBe(400)
    expect((await patch('globex', { labels: { n: '3' } }, '*')).status).toBe(200)
  })
})

describe('the aliases of a tenant', () => {
  const path = '/v1/tenants/acme/aliases'
  /** As the team's own backend asks: the host alone says which tenant is meant. */
  const byHost = async (host: string) => {
    const headers = [['host', host]] as const
    const sql = 'select current_database() as name'
    const { status, json } = await world.ask('/v1/query', { key: service, body: { sql }, headers })
    return status === 200 ? json.rows[0].name : json.code
  }

  it('lead requests to it from the answer on, and no longer once they are removed', async () => {
    const body = { kind: 'hostname', value: 'acme.example.test' }
    const before = await etagOf('acme')
    const added = await world.operate(path, { body })
    expect([added.status, added.json.created]).toEqual([201, true])
    expect(added.headers['etag']).not.toBe(before)
    await vi.waitFor(async () => expect(await byHost('acme.example.test')).toBe(added.json.tenant.database))
    expect((await world.operate(path, { body })).json).toMatchObject({ created: false })
    expect((await world.operate('/v1/tenants/acme')).json.aliases).toEqual([body])
    const gone = await world.operate(`${path}?kind=hostname&value=acme.example.test`, { method: 'DELETE' })
    expect([gone.status, gone.json.alias]).toEqual([200, expect.objectContaining(body)])
    await vi.waitFor(async () => expect(await byHost('acme.example.test')).toBe('no_tenant'))
  })

  it('may be what another system calls it, and come in pages', async () => {
    const values = ['org_2NxK%/ü', 'https://idp.example/a?b=c&d', 'z']
    for (const value of values) await world.operate(path, { body: { kind: 'external', value } })
    const first = await world.operate(`${path}?limit=2`)
    const rest = await world.operate(`${path}?limit=2&cursor=${encodeURIComponent(first.json.next)}`)
    const seen = [...first.json.aliases, ...rest.json.aliases].map(({ value }: { value: string }) => value)
    expect([seen.toSorted(), rest.json.next]).toEqual([values.toSorted(), null])
    for (const value of values) {
      const query = new URLSearchParams({ kind: 'external', value })
      expect((await world.operate(`${path}?${query.toString()}`, { method: 'DELETE' })).status).toBe(200)
    }
  })

  it('are never two tenants’', async () => {
    const body = { kind: 'external', value: 'org_1' }
    const other = '/v1/tenants/globex/aliases'
    await world.operate(path, { body })
    expect((await world.operate(other, { body })).json.code).toBe('already_exists')
    const theirs = await world.operate(`${other}?kind=external&value=org_1`, { method: 'DELETE' })
    expect([theirs.status, theirs.json.code]).toEqual([404, 'not_found'])
    expect((await world.operate(path)).json.aliases).toEqual([expect.objectContaining(body)])
  })

  it.each([
    ['a host name in capitals', { kind: 'hostname', value: 'Acme.example' }],
    ['a host name without a dot', { kind: 'hostname', value: 'localhost' }],
    ['blanks around an id', { kind: 'external', value: ' org ' }],
    ['what cannot be seen', { kind: 'external', value: 'org\u200b1' }],
    ['a kind that is none', { kind: 'email', value: 'a@b.c' }],
    ['no value', { kind: 'external' }],
  ])('are refused for %s', async (_, body) => {
    expect((await world.operate(path, { body })).status).toBe(400)
  })
})

describe('GET and DELETE /v1/servers/:id', () => {
  it('show a server with its tag, and keep one that has tenants', async () => {
    const [{ id }] = (await world.operate('/v1/servers')).json.servers
    const shown = await world.operate(`/v1/servers/${id}`)
    expect(shown.json.server).toMatchObject({ id, budget: expect.anything() })
    expect(shown.headers['etag']).toBe(`"${shown.json.server.revision}"`)
    expect(shown.text).not.toMatch(/ciphertext|wrappedKey/)
    const kept = await world.operate(`/v1/servers/${id}`, { method: 'DELETE' })
    expect([kept.status, kept.json.detail]).toEqual([
      409,
      expect.stringMatching(/tenants on server .*acme, globex/),
    ])
  })

  it('take one without tenants off the record, as it was seen', async () => {
    const dsn = new URL(await world.database())
    dsn.hostname = 'localhost'
    const added = await world.operate('/v1/servers', {
      body: { id: 'spare', dsn: dsn.href, provision: false },
    })
    expect(added.status).toBe(201)
    const remove = (etag: string) =>
      world.operate('/v1/servers/spare', { method: 'DELETE', headers: [['if-match', etag]] })
    expect((await remove('"1"')).status).toBe(409)
    expect((await remove(String(added.headers['etag']))).json.server.id).toBe('spare')
    expect((await world.operate('/v1/servers/spare')).json.code).toBe('not_found')
  })
})

describe('GET /v1/tenants', () => {
  const idsOf = async (query: string) => {
    const { json } = await world.operate(`/v1/tenants?${query}`)
    return json.tenants?.map(({ id }: { id: string }) => id)
  }

  it('finds by the beginning of an id, by server, database and role, and by several labels', async () => {
    await patch('acme', { labels: { plan: 'pro', region: 'eu' } })
    await patch('globex', { labels: { plan: 'pro', region: 'us' } })
    expect(await idsOf('prefix=gl')).toEqual(['globex'])
    expect(await idsOf('prefix=globex-')).toEqual([])
    expect(await idsOf('label=plan=pro')).toEqual(['acme', 'globex'])
    expect(await idsOf('label=plan=pro&label=region=eu')).toEqual(['acme'])
    const [{ id }] = (await world.operate('/v1/servers')).json.servers
    expect(await idsOf(`server=${id}&prefix=a`)).toEqual(['acme'])
    expect(await idsOf('server=elsewhere')).toEqual([])
    const { database, role } = (await world.operate('/v1/tenants/globex')).json
    expect(await idsOf(`database=${database}`)).toEqual(['globex'])
    expect(await idsOf(`role=${role}`)).toEqual(['globex'])
    expect(await idsOf(`role=${role}&server=elsewhere`)).toEqual([])
  })

  it.each(['prefix=Ac', 'prefix=%25', 'label=plan=pro&label=plan=free', 'prefix=a&prefix=b', 'server=.'])(
    'refuses ?%s',
    async (query) => {
      expect((await world.operate(`/v1/tenants?${query}`)).status).toBe(400)
    },
  )
})

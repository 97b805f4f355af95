import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { neon } from '@neondatabase/serverless'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatApiKey, makeKey } from '../../../src/registry/api-key.ts'
import { connectionStringOf, DOMAIN, SqlGround } from './sql-ground.ts'

let ground: SqlGround
let serviceKey: string
let readerKey: string
beforeAll(async () => {
  ground = await SqlGround.open()
  serviceKey = await ground.http.serviceKey()
  readerKey = await ground.http.tenantKey('acme', { readOnly: true })
})
afterAll(() => ground[Symbol.asyncDispose]())

/** For a change of the registry to be heard of, on a busy machine. */
const SOON = { timeout: 10_000 }
/** Of nobody. */
const makeKeyText = () => formatApiKey(makeKey()).reveal()
const SELECT = { query: 'select tenant from notes limit 1' }
/** As the service's answer differs with every request. */
const OWN = ['date', 'neon-request-id', 'x-request-id']

const refusalOf = async (connectionString: string, headers: Record<string, string> = {}) => {
  const { post } = ground.endpoint()
  const answer = await post(SELECT, { 'neon-connection-string': connectionString, ...headers })
  const told = [...answer.headers].filter(([name]) => !OWN.includes(name))
  return { status: answer.status, told, json: answer.json }
}

describe('who may ask', () => {
  it('answers unknown, foreign, wrong and malformed alike, in every byte', async () => {
    const { id } = makeKey()
    const [own, other] = [ground.key, makeKey().secret.reveal()]
    const globex = await ground.http.tenantKey('globex')
    const revoked = await ground.http.tenantKey('acme', { revokedAt: new Date().toISOString() })
    const operator = await ground.http.operatorKey('admin')
    const here = `acme.${DOMAIN}`
    const refusals = await Promise.all(
      [
        connectionStringOf(`tk_${id}_${other}`, here),
        connectionStringOf(`${own.slice(0, 16)}${other}`, here),
        connectionStringOf(globex, here),
        connectionStringOf(own, `globex.${DOMAIN}`),
        connectionStringOf(own, `nobody.${DOMAIN}`),
        connectionStringOf(own, `not_a_slug.${DOMAIN}`),
        connectionStringOf(own, `api.${DOMAIN}`),
        connectionStringOf(serviceKey, `nobody.${DOMAIN}`),
        connectionStringOf(revoked, here),
        connectionStringOf(operator, here),
        `postgresql://postgres:secret@${here}/db`,
        `postgresql://${own}:x@${here}/db`,
      ].map((one) => refusalOf(one)),
    )
    const [first] = refusals
    expect(first?.status).toBe(400)
    expect(first?.json).toMatchObject({
      code: '28P01',
      severity: 'FATAL',
      message: 'password authentication failed',
    })
    expect(refusals).toEqual(refusals.map(() => first))
  })

  it('asks the host of the request and X-Tenant-ID to agree', async () => {
    const connectionString = connectionStringOf(ground.key, `acme.${DOMAIN}`)
    const foreign = await refusalOf(connectionString, { 'x-tenant-id': 'globex' })
    expect(foreign.json).toMatchObject({ code: '28P01' })
    // Refused where refusals are heard of, and not before it is known whose key it is.
    expect(ground.http.logLines.at(-1)).toContain('a key of tenant acme was used for globex')
    const init = {
      method: 'POST',
      headers: { 'neon-connection-string': connectionString },
      body: JSON.stringify(SELECT),
    }
    const codeAt = async (host: string) => {
      const { json } = await ground.answerOf(await ground.http.tenants.request(`http://${host}/sql`, init))
      return json.code ?? json.rows
    }
    expect(await codeAt(`globex.${DOMAIN}`)).toBe('28P01')
    for (const host of [`api.${DOMAIN}`, `acme.${DOMAIN}`, 'tenantry:3000'])
      expect(await codeAt(host)).toEqual([{ tenant: 'acme' }])
  })

  it('serves a service key for the tenant that the host names', async () => {
    const seen = await Promise.all(
      ['acme', 'globex'].map((tenant) =>
        ground.endpoint(`${tenant}.${DOMAIN}`, serviceKey).sql.query(SELECT.query),
      ),
    )
    expect(seen).toEqual([[{ tenant: 'acme' }], [{ tenant: 'globex' }]])
  })

  it('lets a read-only key read, and nothing else', async () => {
    const { sql } = ground.endpoint('acme.reader.test', readerKey)
    expect(await sql`select count(*)::int as n from notes`).toEqual([{ n: 20 }])
    const writes = [
      () => sql`delete from notes`,
      () => sql.transaction([sql`select 1`, sql`delete from notes`]),
      () => sql.transaction([sql`delete from notes`], { readOnly: false }),
    ]
    for (const write of writes) await expect(write()).rejects.toMatchObject({ code: '25006' })
    const lifted = sql.transaction([sql`set transaction read write`, sql`delete from notes`])
    await expect(lifted).rejects.toMatchObject({ code: '25001' })
    await expect(sql`commit`).rejects.toMatchObject({ code: '08P01' })
    expect(await sql`select count(*)::int as n from notes`).toEqual([{ n: 20 }])
  })

  it('refuses a token in words, and does not take it for a key', async () => {
    const { connectionString } = ground.endpoint()
    const withToken = neon(connectionString, { authToken: 'a.b.c' })
    await expect(withToken`select 1`).rejects.toThrow(
      /token .* not supported: put the id and the secret of an API key/,
    )
  })

  it.each([
    ['a missing header', undefined],
    ['another scheme', 'https://a:b@acme.test/db'],
    ['no URL', 'postgresql://'],
    ['an address as its host', 'postgresql://tk_a:b@127.0.0.1/db'],
    ['an address of IPv6', 'postgresql://tk_a:b@[::1]/db'],
    ['no password', 'postgresql://tk_a@acme.test/db'],
    ['no user', 'postgresql://:b@acme.test/db'],
    ['a broken escape', 'postgresql://tk_a:%zz@acme.test/db'],
    ['two of them', 'postgresql://tk_a:b@acme.test/db, postgresql://tk_a:b@globex.test/db'],
  ])('says what is wrong with %s', async (_, connectionString) => {
    const headers = connectionString === undefined ? {} : { 'neon-connection-string': connectionString }
    const init = { method: 'POST', headers, body: JSON.stringify(SELECT) }
    const { status, json } = await ground.answerOf(await fetch(ground.url, init))
    expect([status, json.code]).toEqual([400, '08P01'])
    expect(json.message).toMatch(/connection.string/i)
  })

  it('tells a suspended tenant so, and only after its password', async () => {
    const key = await ground.http.tenantKey('globex')
    await ground.http.world.change('globex', (record) => ({ ...record, status: 'suspended' }))
    const connectionString = connectionStringOf(key, `globex.${DOMAIN}`)
    await expect.poll(async () => (await refusalOf(connectionString)).json.code, SOON).toBe('57P03')
    const wrong = connectionString.replace(/:[^:@]+@/, ':wrong@')
    expect((await refusalOf(wrong)).json.code).toBe('28P01')
    await ground.http.world.change('globex', (record) => ({ ...record, status: 'active' }))
    await expect.poll(async () => (await refusalOf(connectionString)).status, SOON).toBe(200)
  })

  it('keeps passwords out of its log', async () => {
    const secret = makeKey().secret.reveal()
    await refusalOf(`postgresql://tk_abcdefghijkl:${secret}@acme.${DOMAIN}/db`)
    await refusalOf(`postgresql://tk_abcdefghijkl:${secret}%zz@acme.${DOMAIN}/db`)
    await refusalOf(`mysql://tk_abcdefghijkl:${secret}@acme.${DOMAIN}/db`)
    expect(ground.http.logLines.join('')).not.toContain(secret)
    expect(ground.http.leaks()).toEqual([])
  })
})

describe('how much it may be', () => {
  it('refuses a body over the limit with 413, and the next request of the same client is served', async () => {
    const { post, sql } = ground.endpoint()
    // Many times what the sockets' buffers hold: the answer must not come while it is still written.
    const large = { query: `select length('${'x'.repeat(8_000_000)}')` }
    for (let round = 0; round < 3; round++) {
      const { status, json } = await post(large)
      expect([status, json.code]).toEqual([413, '54000'])
      expect(await sql`select 1 as a`).toEqual([{ a: 1 }])
    }
  })

  it.each([
    ['a body that is too large', () => ground.key, 413],
    ['a wrong password', () => makeKeyText(), 400],
  ])(
    'hears out the body before it answers, so that who still writes it can read that: %s',
    async (_, key, status) => {
      const { sql } = ground.endpoint()
      const sent = request(ground.url, {
        method: 'POST',
        headers: {
          'content-length': 200_000,
          'neon-connection-string': connectionStringOf(key(), `acme.${DOMAIN}`),
        },
      })
      const answered = once(sent, 'response').then(([response]: IncomingMessage[]) => response?.statusCode)
      sent.write('x'.repeat(1_000))
      const others = async () => {
        for (let round = 0; round < 10; round++) await sql`select 1`
        return 'nothing yet'
      }
      expect(await Promise.race([answered, others()])).toBe('nothing yet')
      sent.end('x'.repeat(199_000))
      expect(await answered).toBe(status)
    },
  )

  it('refuses a body of untold length as it refuses one that says it', async () => {
    const { connectionString } = ground.endpoint()
    const body = new ReadableStream({
      start(sink) {
        for (let part = 0; part < 20; part++) sink.enqueue(new TextEncoder().encode(' '.repeat(10_000)))
        sink.close()
      },
    })
    const headers = { 'neon-connection-string': connectionString }
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
    const { status, json } = await ground.answerOf(await fetch(ground.url, init))
    expect([status, json.code]).toEqual([413, '54000'])
  })

  it('refuses a result over the limit of bytes or rows with 507, and says so', async () => {
    const { post, sql } = ground.endpoint()
    for (const query of ["select repeat('x', 2000000)", 'select generate_series(1, 1001)']) {
      const { status, json } = await post({ query })
      expect([status, json.code, json.message]).toEqual([507, '54000', expect.stringContaining('larger')])
    }
    await expect(sql`select generate_series(1, 1001)`).rejects.toThrow(/^Server error \(HTTP status 507\)/)
    const half = { query: 'select generate_series(1, 600)' }
    expect((await post({ queries: [half, half] })).status).toBe(507)
    expect(await sql`select 1 as a`).toEqual([{ a: 1 }])
  })

  it('ends what takes longer than a tenant may as Postgres ends it', async () => {
    await ground.http.world.change('acme', (record) => ({
      ...record,
      limits: { ...record.limits, statementTimeoutMs: 150 },
    }))
    const { sql } = ground.endpoint()
    await expect.poll(() => sql`select pg_sleep(0.3)`.catch(({ code }) => code), SOON).toBe('57014')
    const batch = sql.transaction([sql`select pg_sleep(0.1)`, sql`select pg_sleep(0.1)`])
    await expect(batch).rejects.toMatchObject({ code: '57014' })
  })
})

describe('OPTIONS /sql', () => {
  it('lets any page send every header of the protocol', async () => {
    const response = await fetch(ground.url, { method: 'OPTIONS', headers: { origin: 'https://page.test' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('allow')).toBe('OPTIONS, POST')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-max-age')).toBe('86400')
    expect(
      response.headers.get('access-control-allow-headers')?.toLowerCase().split(', ').toSorted(),
    ).toEqual([
      'authorization',
      'content-type',
      'neon-array-mode',
      'neon-batch-deferrable',
      'neon-batch-isolation-level',
      'neon-batch-read-only',
      'neon-connection-string',
      'neon-pool-opt-in',
      'neon-raw-text-output',
    ])
  })

  it('says of other methods what there is', async () => {
    const response = await fetch(ground.url)
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'OPTIONS, POST'])
  })
})

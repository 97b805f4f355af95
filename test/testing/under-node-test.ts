import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { assertNoLeak, createTestTenancy } from 'tenantry/testing'
import { z } from 'zod'

/** What a user of Node's own runner writes; `test/testing/node-test.test.ts` runs it. */
const tenancy = await createTestTenancy({
  tenants: ['acme', 'globex'],
  schema: 'create table projects (name text)',
  server: String(process.env['SERVER_DSN']),
})
beforeEach(() => tenancy.reset())
after(() => tenancy.close())

const names = (tenant: string) => tenancy.sql(tenant)`select name from projects`

/** An app with one route; the tenant is in a header. */
async function app(request: Request): Promise<Response> {
  const sql = tenancy.sql(request.headers.get('tenant') ?? '')
  if (request.method === 'POST') {
    const { name } = z.object({ name: z.string() }).parse(await request.json())
    await sql`insert into projects values (${name})`
    return new Response(null, { status: 201 })
  }
  return Response.json(await sql`select name from projects`)
}

void describe('an app', { concurrency: 1 }, () => {
  void it('keeps what a tenant makes', async () => {
    await tenancy.sql('acme')`insert into projects values ('roof')`
    assert.deepEqual([...(await names('acme'))], [{ name: 'roof' }])
  })

  void it('begins each test with nothing', async () => {
    assert.deepEqual([...(await names('acme'))], [])
  })

  void it('shows no tenant what another stored', async () => {
    await assertNoLeak(app, {
      tenancy,
      as: (tenant) => ({ tenant }),
      write: (name) => ({ path: '/projects', json: { name } }),
      read: ['/projects'],
    })
  })
})

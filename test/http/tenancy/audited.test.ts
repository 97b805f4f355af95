import { apiKey, header, host, jwt } from 'tenantry/hono'
import { expect, it } from 'vitest'
import { trailOf } from '../../registry/conformance-trail.ts'
import { AUDIENCE, ISSUER, SigningKey } from '../../resolve/issuer.ts'
import { startWorld } from '../../support/world.ts'
import { BASE, keyOf, provedApp, sessionApp } from './ground.ts'

/** As @hono/node-server gives it: a connection from there. */
const from = (remoteAddress: string) => ({ incoming: { socket: { remoteAddress } } })

it('a caller who names another tenant is in the audit when the router closes, with the address it came from', async () => {
  await using world = await startWorld(['acme', 'globex'])
  const issuer = await SigningKey.make('k1')
  const tokens = jwt({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [issuer.publicJwk] },
    algorithms: ['ES256'],
    tenantClaim: 'tenant',
  })
  const app = provedApp(world, [apiKey(), tokens, header()])
  const key = await keyOf(world, 'acme')
  for (const token of [
    key,
    await issuer.sign(),
    await issuer.sign({ claims: { sub: `mail <x@y.z>\n${'x'.repeat(500)}` } }),
  ]) {
    const headers = {
      authorization: `Bearer ${token}`,
      'x-tenant-id': 'globex',
      'x-forwarded-for': '6.6.6.6',
    }
    expect((await app.request('/', { headers }, from('192.0.2.7'))).status).toBe(404)
  }
  const own = sessionApp(world, [host(BASE), header()], ['10.0.0.0/8'])
  const forwarded = (peer: string) =>
    own.request(
      `http://globex.${BASE}/`,
      { headers: { cookie: 'user=acme', 'x-forwarded-for': '203.0.113.9' } },
      from(peer),
    )
  await forwarded('10.0.0.1')
  await own.request(`http://acme.${BASE}/`, { headers: { 'x-tenant-id': 'globex' } }, from('192.0.2.8'))
  await world.router.close()
  const { entries } = await trailOf(world.registry, { order: 'oldest' })
  const refused = entries.filter(({ audit }) => audit?.action === 'call.refuse')
  const told = refused.map(({ audit }) => [
    audit?.actor,
    audit?.target,
    audit?.detail['why'],
    audit?.detail['client'],
  ])
  // Two applications write at the same time.
  expect(told.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
    [`key:${key.split('_')[1]}`, 'globex', 'tenant_mismatch', '192.0.2.7'],
    ['session', 'globex', 'names_differ', '192.0.2.8'],
    ['session', 'globex', 'not_permitted', '203.0.113.9'],
    [expect.stringMatching(/^token:sha256:[0-9a-f]{32}$/), 'globex', 'tenant_mismatch', '192.0.2.7'],
    ['token:user-1', 'globex', 'tenant_mismatch', '192.0.2.7'],
  ])
})

it('a forwarded header counts from a trusted proxy alone, for the host and for the address', async () => {
  await using world = await startWorld(['acme', 'globex'])
  const app = sessionApp(world, [host(BASE)], ['10.0.0.0/8'])
  const ask = async (peer: string | undefined, more: Record<string, string>, at = `http://acme.${BASE}/`) => {
    const headers = { cookie: 'user=acme', ...more }
    const answer = await app.request(at, { headers }, peer === undefined ? undefined : from(peer))
    return [answer.status, Object(await answer.json()).client]
  }
  const forged = {
    'x-forwarded-host': `globex.${BASE}`,
    'x-forwarded-for': '6.6.6.6',
    forwarded: 'for=6.6.6.6;host=x.test',
  }
  expect(await ask('192.0.2.7', forged)).toEqual([200, '192.0.2.7'])
  expect(await ask(undefined, forged)).toEqual([200, undefined])
  expect((await ask('10.0.0.1', forged))[0]).toBe(404)
  const passed = { 'x-forwarded-host': `acme.${BASE}`, 'x-forwarded-for': '6.6.6.6, 192.0.2.7' }
  expect(await ask('10.0.0.1', passed, 'http://upstream:3000/')).toEqual([200, '192.0.2.7'])
  expect((await ask('10.0.0.1', { 'x-forwarded-host': `acme.${BASE}, globex.${BASE}` }))[0]).toBe(400)
})

import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { credentialIssue, credentialList, credentialRevoke } from '../../src/http/admin/credential-routes.ts'
import type { OperatorEnv } from '../../src/http/request-context.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
let admin: string
beforeAll(async () => {
  http = await startHttpWorld(['acme', 'globex'])
  admin = await http.operatorKey('admin')
})
afterAll(() => http[Symbol.asyncDispose]())

describe('POST /v1/tenants/:id/rotate', () => {
  it('takes another login of a registered tenant', async () => {
    const { role, password, database } = http.world.placeOf('acme')
    const dsn = http.world.server.dsn(database, role, password)
    const { status, json } = await http.operate('/v1/tenants/acme/rotate', { key: admin, body: { dsn } })
    expect([status, json.tenant.epoch, json.caveat]).toEqual([
      200,
      2,
      expect.stringMatching(/owner’s to change/),
    ])
  })

  it('tells what is wrong, and holds nothing that was given', async () => {
    const rotate = (body: unknown) => http.operate('/v1/tenants/globex/rotate', { key: admin, body })
    expect((await rotate({})).json).toMatchObject({ status: 400, code: 'invalid_request' })
    expect((await rotate({ password: 'x' })).status).toBe(400)
    const { role, password, database } = http.world.placeOf('acme')
    const elsewhere = await rotate({ dsn: http.world.server.dsn(database, role, password) })
    expect(elsewhere.json).toMatchObject({ status: 409, code: 'precondition_failed' })
    expect(http.leaks()).toEqual([])
  })
})

describe('POST /v1/tenants/rotate', () => {
  const rotate = (body: unknown, headers: Record<string, string> = {}) =>
    http.operate('/v1/tenants/rotate', { key: admin, body, headers })

  it('tells what became of each tenant that is selected, and which it would be', async () => {
    const select = { tenants: ['globex', 'acme'] }
    expect((await rotate({ select, dryRun: true })).json.outcomes).toEqual([
      { tenant: 'globex', outcome: 'selected' },
      { tenant: 'acme', outcome: 'selected' },
    ])
    const { json } = await rotate({ select, continueOnError: true })
    expect(json).toMatchObject({ status: 409, code: 'precondition_failed' })
  })

  it('is refused without a selection, or with one that means two things', async () => {
    expect((await rotate({})).status).toBe(400)
    expect((await rotate({ select: {} })).status).toBe(400)
    expect((await rotate({ select: { all: true, status: 'active' } })).status).toBe(400)
    expect((await rotate({ select: { tenants: ['nobody'] }, dryRun: true })).status).toBe(404)
  })
})

describe('credentials', () => {
  it('are shown once, in an answer that nobody keeps', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const app = new Hono<OperatorEnv>()
    app.use((c, next) => {
      c.set('actor', 'key:test')
      return next()
    })
    const path = '/v1/tenants/:id/credentials'
    app.get(path, credentialList(ground.parts)).post(path, credentialIssue(ground.parts))
    app.delete(`${path}/:role`, credentialRevoke(ground.parts))
    const at = 'http://127.0.0.1/v1/tenants/acme/credentials'
    const made = await app.request(at, { method: 'POST', body: '{"readOnly": true}' })
    expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const { credential, dsn } = z
      .object({ credential: z.object({ role: z.string() }), dsn: z.string() })
      .parse(await made.json())
    expect(dsn).toContain(`postgres://${credential.role}:`)
    const listed = await (await app.request(at)).json()
    expect(listed).toMatchObject({ credentials: [{ role: credential.role, readOnly: true, expired: false }] })
    expect(JSON.stringify(listed)).not.toContain(new URL(dsn).password)
    const revoked = await app.request(`${at}/${credential.role}`, { method: 'DELETE' })
    expect(await revoked.json()).toEqual({ role: credential.role, sessionsEnded: 0 })
  })

  it('are not made for a tenant that is registered', async () => {
    const made = await http.operate('/v1/tenants/globex/credentials', { key: admin, body: {} })
    expect(made.json).toMatchObject({ status: 409, code: 'precondition_failed' })
    expect((await http.operate('/v1/tenants/globex/credentials', { key: admin })).json).toEqual({
      credentials: [],
    })
  })
})

describe('POST /v1/keys/rewrap', () => {
  it('wants to be told whether it only counts', async () => {
    expect((await http.operate('/v1/keys/rewrap', { key: admin, body: {} })).status).toBe(400)
    const { status, json } = await http.operate('/v1/keys/rewrap', { key: admin, body: { dryRun: true } })
    expect(status).toBe(200)
    expect(json).toMatchObject({ dryRun: true, rewrapped: 0, admin: null, master: { values: 2 } })
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Access, OPERATOR_ROUTES, type OperatorRole, reaches } from '../../src/http/admin/access.ts'
import { type HttpWorld, startHttpWorld, withoutRequestId } from './http-world.ts'

const ROLES = ['viewer', 'operator', 'admin'] as const
const CREDENTIALS = ['none', 'malformed', 'tenant', 'service', 'revoked', 'expired', ...ROLES] as const

let http: HttpWorld
const keys: Record<string, string> = {}
beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  for (const role of ROLES) keys[role] = await http.operatorKey(role)
  keys.malformed = 'tk_x'
  keys.tenant = await http.tenantKey('acme')
  keys.service = await http.serviceKey()
  keys.expired = await http.key({ kind: 'operator', role: 'admin' }, { expiresAt: new Date(0).toISOString() })
  keys.revoked = await http.key({ kind: 'operator', role: 'admin' }, { revokedAt: new Date().toISOString() })
})
afterAll(() => http[Symbol.asyncDispose]())

/** What the door says; past it, only a defect of ours counts. Bodies are empty, so that nothing is changed behind it. */
async function doorOf(route: string, key: string | undefined): Promise<number | 'in'> {
  const [method = '', path = ''] = route.split(' ')
  const response = await http.operators.request(`http://127.0.0.1${path.replace(':id', 'nobody')}`, {
    method,
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  })
  const { status } = response
  if (status === 500) return (await response.text()).includes('"code":"internal"') ? status : 'in'
  await response.body?.cancel()
  return [401, 403, 405].includes(status) ? status : 'in'
}

/** Every route with every credential, and what the door says: nothing, or a status. */
const MATRIX = Object.entries(OPERATOR_ROUTES).flatMap(([route, access]) =>
  CREDENTIALS.map((credential) => [route, credential, verdict(access, credential)] as const),
)

function verdict(access: Access, credential: (typeof CREDENTIALS)[number]): 'in' | 401 | 403 {
  if (access === 'open') return 'in'
  if (!isRole(credential)) return 401
  return reaches(credential, access) ? 'in' : 403
}

function isRole(credential: string): credential is OperatorRole {
  return (ROLES as readonly string[]).includes(credential)
}

describe('the matrix', () => {
  it.each(MATRIX)('%s, asked with %s: %s', async (route, credential, expected) => {
    expect(await doorOf(route, keys[credential])).toBe(expected)
  })

  it('has every route of the app, and none besides', () => {
    const routes = http.operators.routes.filter(({ method }) => method !== 'ALL')
    const served = new Set(routes.map(({ method, path }) => `${method} ${path}`))
    expect([...served].sort()).toEqual(Object.keys(OPERATOR_ROUTES).sort())
  })
})

describe('the door', () => {
  it('reads the same for every credential that is none', async () => {
    const answers = []
    for (const key of [undefined, 'tk_x', keys.tenant, keys.service, keys.revoked]) {
      answers.push(withoutRequestId(await http.operate('/v1/tenants', { key })))
    }
    expect(new Set(answers).size).toBe(1)
  })

  it('answers paths and methods that are none with a problem', async () => {
    expect((await http.operate('/v1/nothing', { key: keys.admin })).json).toMatchObject({ code: 'not_found' })
    const { status, headers } = await http.operate('/v1/tenants', { key: keys.admin, method: 'PATCH' })
    expect([status, headers.get('allow')]).toEqual([405, 'GET, POST'])
  })

  it('keeps the tenant plane out of here, and this plane out of there', async () => {
    expect((await http.operate('/v1/query', { key: keys.admin, body: { sql: 'select 1' } })).status).toBe(404)
    expect((await http.ask('/v1/tenants', { key: keys.tenant })).status).toBe(404)
    expect((await http.ask('/livez')).status).toBe(404)
  })

  it('opens metrics to all where only this machine can ask', async () => {
    await using open = await startHttpWorld([], { operatorApp: { metricsAccess: 'open' } })
    expect((await open.operate('/metrics')).status).toBe(200)
    expect((await open.operate('/v1/pools')).status).toBe(401)
  })
})

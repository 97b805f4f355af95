import { vi } from 'vitest'
import type { OperatorRoute } from '../../src/http/admin/access.ts'
import type { OperatedWorld } from './operated-world.ts'

/** What is sent. */
interface Asked {
  /** Default: the route's own path. */
  readonly path?: string
  /** As JSON. */
  readonly body?: unknown
}

/** How a route is called so that it does what it is for, in a world of real databases. */
export interface RouteCall {
  readonly prepare?: (world: OperatedWorld) => Promise<Asked>
  /** Default: 200. */
  readonly status?: number
  /** The action that is audited. Undefined: it changes nothing. */
  readonly audited?: string
  readonly isStream?: true
}

/** A call on the tenant that is there already. */
function onTenant(verb: string, body?: unknown) {
  return async (world: OperatedWorld) => {
    const id = await world.once('registered', () => registered(world))
    return { path: `/v1/tenants/${id}${verb}`, ...(body === undefined ? {} : { body }) }
  }
}

const one = (world: OperatedWorld) => world.once('provisioned', () => provisioned(world))

async function registered(world: OperatedWorld): Promise<string> {
  const id = world.newId()
  const body = { id, route: { dsn: await world.service.database() } }
  await must(world, '/v1/tenants', body)
  return id
}

async function provisioned(world: OperatedWorld): Promise<string> {
  const id = world.newId()
  await must(world, '/v1/tenants', { id, server: 'main' })
  return id
}

async function deleted(world: OperatedWorld, query = ''): Promise<string> {
  const id = await registered(world)
  const path = `/v1/tenants/${id}?confirm=${id}${query}`
  const { text, status } = await world.service.operate(path, { method: 'DELETE' })
  if (status !== 200) throw new Error(text)
  return id
}

// oxlint-disable-next-line typescript/no-explicit-any -- whatever the route answers
async function must(world: OperatedWorld, path: string, body: unknown): Promise<any> {
  const { status, text, json } = await world.service.operate(path, { body })
  if (status >= 300) throw new Error(`${path}: ${text}`)
  return json
}

const ofOperation = (suffix: string) => async (world: OperatedWorld) => {
  const { json } = await world.service.operate(`/v1/operations?limit=1&tenant=${await one(world)}`)
  return { path: `/v1/operations/${json.operations[0].id}${suffix}` }
}

/** Complete: a route without an entry does not compile. */
export const ROUTE_CALLS = {
  'GET /openapi.json': {},
  'GET /livez': {},
  'GET /readyz': {
    prepare: async (world) => {
      // Busy with other tests of this run, it says that it is late.
      const isReady = async () => {
        const { status, text } = await world.service.operate('/readyz')
        if (status !== 200) throw new Error(text)
        return {}
      }
      return vi.waitFor(isReady, 10_000)
    },
  },
  'GET /startupz': {},
  'GET /metrics': {},
  'GET /v1/pools': {},
  'GET /v1/pools/events': { isStream: true },
  'GET /v1/tenants': {},
  'POST /v1/tenants': {
    prepare: async (world) => ({ body: { id: world.newId(), server: 'main' } }),
    status: 201,
    audited: 'tenant.provision',
  },
  'GET /v1/tenants/:id': { prepare: onTenant('') },
  'PATCH /v1/tenants/:id': { prepare: onTenant('', { labels: { plan: 'pro' } }), audited: 'tenant.set' },
  'GET /v1/tenants/:id/aliases': { prepare: onTenant('/aliases') },
  'POST /v1/tenants/:id/aliases': {
    prepare: onTenant('/aliases', { kind: 'hostname', value: 'new.example.test' }),
    status: 201,
    audited: 'tenant.alias.add',
  },
  'DELETE /v1/tenants/:id/aliases': {
    prepare: async (world) => {
      const { path } = await onTenant('/aliases')(world)
      await must(world, path, { kind: 'external', value: 'org_1' })
      return { path: `${path}?kind=external&value=org_1` }
    },
    audited: 'tenant.alias.remove',
  },
  'POST /v1/tenants/:id/suspend': { prepare: onTenant('/suspend'), audited: 'tenant.suspend' },
  'POST /v1/tenants/:id/resume': {
    prepare: async (world) => {
      const { path } = await onTenant('/resume')(world)
      await must(world, path.replace('resume', 'suspend'), {})
      return { path }
    },
    audited: 'tenant.resume',
  },
  'POST /v1/tenants/:id/check': { prepare: onTenant('/check'), audited: 'tenant.check' },
  'POST /v1/tenants/:id/evict': { prepare: onTenant('/evict'), audited: 'tenant.evict' },
  'GET /v1/keys': {},
  'POST /v1/keys': {
    prepare: async () => ({ body: { scope: { kind: 'operator', role: 'viewer' } } }),
    status: 201,
    audited: 'key.create',
  },
  'DELETE /v1/keys/:id': {
    prepare: async (world) => {
      const { key } = await must(world, '/v1/keys', { scope: { kind: 'service' } })
      return { path: `/v1/keys/${key.id}` }
    },
    audited: 'key.revoke',
  },
  'GET /v1/servers': {},
  'POST /v1/servers': {
    prepare: async (world) => ({ body: { id: 'main', dsn: world.adminDsn } }),
    audited: 'server.add',
  },
  'GET /v1/servers/:id': { prepare: async () => ({ path: '/v1/servers/main' }) },
  'DELETE /v1/servers/:id': {
    prepare: async (world) => {
      const dsn = new URL(await world.service.database())
      dsn.hostname = 'localhost'
      await must(world, '/v1/servers', { id: 'other', dsn: dsn.href, provision: false })
      return { path: '/v1/servers/other' }
    },
    audited: 'server.remove',
  },
  'POST /v1/servers/:id/accept': {
    prepare: async () => ({ path: '/v1/servers/main/accept' }),
    audited: 'server.accept',
  },
  'POST /v1/tenants/import': {
    prepare: async (world) => {
      return { body: { rows: [{ id: world.newId(), dsn: await world.service.database() }] } }
    },
    audited: 'fleet.import',
  },
  'POST /v1/tenants/:id/unregister': {
    prepare: async (world) => {
      const id = await registered(world)
      return { path: `/v1/tenants/${id}/unregister`, body: { confirm: id } }
    },
    audited: 'tenant.purge',
  },
  /** Its plan: the login of this server has no right to the databases that are registered here. */
  'POST /v1/tenants/:id/adopt': { prepare: onTenant('/adopt', { dryRun: true }) },
  'DELETE /v1/tenants/:id': {
    prepare: async (world) => {
      const id = await registered(world)
      return { path: `/v1/tenants/${id}?confirm=${id}` }
    },
    audited: 'tenant.delete',
  },
  'POST /v1/tenants/:id/undelete': {
    prepare: async (world) => ({ path: `/v1/tenants/${await deleted(world)}/undelete` }),
    audited: 'tenant.undelete',
  },
  'POST /v1/tenants/:id/purge': {
    prepare: async (world) => {
      const id = await deleted(world)
      return { path: `/v1/tenants/${id}/purge`, body: { confirm: id, now: true } }
    },
    audited: 'tenant.purge',
  },
  'POST /v1/tenants/purge': {
    prepare: async (world) => {
      await deleted(world, '&graceMs=0')
      return { body: { expired: true } }
    },
    audited: 'fleet.purge',
  },
  'POST /v1/tenants/:id/rotate': {
    prepare: async (world) => {
      return { path: `/v1/tenants/${await one(world)}/rotate`, body: { hearMs: 0, drainMs: 0 } }
    },
    audited: 'tenant.rotate',
  },
  'POST /v1/tenants/rotate': {
    prepare: async (world) => {
      return { body: { select: { tenants: [await one(world)] }, hearMs: 0, drainMs: 0 } }
    },
    audited: 'fleet.rotate',
  },
  'GET /v1/tenants/:id/credentials': { prepare: onTenant('/credentials') },
  'POST /v1/tenants/:id/credentials': {
    prepare: async (world) => {
      return { path: `/v1/tenants/${await one(world)}/credentials`, body: { readOnly: true } }
    },
    status: 201,
    audited: 'tenant.credentials',
  },
  'DELETE /v1/tenants/:id/credentials/:role': {
    prepare: async (world) => {
      const path = `/v1/tenants/${await one(world)}/credentials`
      const { credential } = await must(world, path, { readOnly: true })
      return { path: `${path}/${credential.role}` }
    },
    audited: 'tenant.credentials.revoke',
  },
  'POST /v1/tenants/:id/cancel': { prepare: onTenant('/cancel'), audited: 'tenant.cancel' },
  'POST /v1/tenants/:id/warm': { prepare: onTenant('/warm'), audited: 'tenant.warm' },
  'GET /v1/why/:id': { prepare: async (world) => ({ path: `/v1/why/${await one(world)}` }) },
  'GET /v1/doctor': {},
  'POST /v1/doctor/fix': {},
  /** With one master key there is nothing to seal anew. */
  'POST /v1/keys/rewrap': { prepare: async () => ({ body: { dryRun: false } }) },
  'POST /v1/servers/:id/drain': {
    prepare: async () => ({ path: '/v1/servers/main/drain' }),
    audited: 'server.drain',
  },
  'POST /v1/servers/:id/undrain': {
    prepare: async (world) => {
      await must(world, '/v1/servers/main/drain', {})
      return { path: '/v1/servers/main/undrain' }
    },
    audited: 'server.undrain',
  },
  'POST /v1/servers/:id/spares': {
    prepare: async () => ({ path: '/v1/servers/main/spares', body: { count: 0 } }),
    audited: 'fleet.spare',
  },
  'GET /v1/templates': {},
  'POST /v1/templates': {
    prepare: async () => ({ body: { name: 'v1', server: 'main', schema: 'create table projects (id int)' } }),
    status: 201,
    audited: 'fleet.template',
  },
  'DELETE /v1/templates/:name': {
    prepare: async (world) => {
      await must(world, '/v1/templates', { name: 'gone', server: 'main', schema: 'select 1' })
      return { path: '/v1/templates/gone' }
    },
    audited: 'template.drop',
  },
  'GET /v1/audit': {},
  'POST /v1/audit/verify': {},
  'POST /v1/operations/:id/resume': {
    prepare: async (world) => {
      // Fails until a setting of the admin is there, as it would for want of an extension or a right.
      const schema = "select 1 / coalesce(nullif(current_setting('test.ready', true), ''), '0')::int"
      const tenant = world.newId()
      await world.service.operate('/v1/tenants', { body: { id: tenant, server: 'main', schema } })
      await world.server.execute(`alter role "${world.admin}" set test.ready = '1'`)
      const { json } = await world.service.operate(`/v1/operations?tenant=${tenant}`)
      return { path: `/v1/operations/${json.operations[0].id}/resume` }
    },
    audited: 'tenant.provision.resume',
  },
  'GET /v1/operations': {},
  'GET /v1/operations/:id': { prepare: ofOperation('') },
  'GET /v1/operations/:id/events': { prepare: ofOperation('/events') },
} as const satisfies Record<OperatorRoute, RouteCall>

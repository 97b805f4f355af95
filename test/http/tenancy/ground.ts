import { Hono } from 'hono'
import { type Source, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import { type AliasKind, aliasId } from '../../../src/registry/alias-record.ts'
import { formatApiKey, makeKey } from '../../../src/registry/api-key.ts'
import type { KeyRecord } from '../../../src/registry/key-record.ts'
import { parseTenantId } from '../../../src/tenant/tenant-id.ts'
import type { World } from '../../support/world.ts'
import { audit } from '../../support/world-records.ts'

export const BASE = 'example.com'

/** What an application needs of a world. */
export type Served = { readonly router: Parameters<typeof tenancy>[0]['router'] }

/** A new key of the registry, as its holder has it. */
export async function keyOf(
  world: World,
  scope: KeyRecord['scope'] | string,
  change: Partial<KeyRecord> = {},
): Promise<string> {
  const made = makeKey()
  const record: KeyRecord = {
    id: made.id,
    scope: typeof scope === 'string' ? await scopeOf(world, scope) : scope,
    secretHash: made.hash,
    readOnly: false,
    name: 'test',
    createdAt: new Date().toISOString(),
    expiresAt: null,
    revokedAt: null,
    ...change,
  }
  await world.registry.commit({ puts: [{ kind: 'key', id: made.id, record }], audit: audit(made.id) }, [
    { kind: 'key', id: made.id, revision: 0 },
  ])
  return formatApiKey(made).reveal()
}

async function scopeOf(world: World, tenant: string): Promise<KeyRecord['scope']> {
  const entry = await world.registry.find('tenant', tenant)
  if (!entry) throw new Error(`there is no tenant ${tenant}`)
  return { kind: 'tenant', tenant: entry.record.id, generation: entry.record.generation }
}

/** Another name of a tenant. */
export async function putAlias(world: World, kind: AliasKind, value: string, tenant: string): Promise<void> {
  const id = aliasId(kind, value)
  const record = { kind, value, tenant: parseTenantId(tenant), createdAt: new Date().toISOString() }
  await world.registry.commit({ puts: [{ kind: 'alias', id, record }], audit: audit(id) }, [
    { kind: 'alias', id, revision: 0 },
  ])
}

/** An application that knows its users by a cookie, `user=<tenant they belong to>`. */
export function sessionApp(
  world: Served,
  resolve: readonly Source[],
  trustedProxies: readonly string[] = [],
) {
  const app = new Hono<TenancyEnv>()
  app.use(
    tenancy({
      router: world.router,
      resolve,
      trustedProxies,
      authorize: (c, tenant) => c.req.header('cookie') === `user=${tenant}`,
    }),
  )
  app.onError(tenancyErrors())
  return whoami(app)
}

/** An application whose callers have credentials of their own. */
export function provedApp(world: Served, resolve: readonly Source[]) {
  const app = new Hono<TenancyEnv>()
  app.use(tenancy({ router: world.router, resolve }))
  app.onError(tenancyErrors())
  return whoami(app)
}

function whoami(app: Hono<TenancyEnv>): Hono<TenancyEnv> {
  return app.all('*', async (c) => {
    const [row] = await c.var.sql<{ tenant: string }[]>`select tenant from notes limit 1`
    return c.json({ tenant: c.var.tenant, rows: row?.tenant, client: c.var.clientAddress })
  })
}

/** What a caller can tell two answers by: all but the id of the request. */
export async function told(answer: Response | Promise<Response>): Promise<string> {
  const response = await answer
  const body: unknown = await response.json()
  return JSON.stringify([response.status, [...response.headers], { ...Object(body), requestId: undefined }])
}

/** The directory of a world, writing down what is asked of it. */
export function counted({ directory, router }: Pick<World, 'directory' | 'router'>) {
  const made: string[] = []
  const counting = new Proxy(directory, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        made.push(`${String(name)} ${given.filter((each) => typeof each === 'string').join(' ')}`)
        return Reflect.apply(value, target, given)
      }
    },
  })
  const served: Served = {
    router: {
      directory: counting,
      registry: router.registry,
      lease: router.lease.bind(router),
      sql: router.sql.bind(router),
      atClose: router.atClose.bind(router),
    },
  }
  return { made, served }
}

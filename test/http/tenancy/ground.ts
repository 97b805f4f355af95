import { Hono } from 'hono'
import { type Source, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import type { KeyRecord } from '../../../src/registry/key-record.ts'
import type { World } from '../../support/world.ts'
import { newKey, putKeys, scopeOf } from '../../support/world-keys.ts'

export const BASE = 'example.com'

/** What an application needs of a world. */
export type Served = { readonly router: Parameters<typeof tenancy>[0]['router'] }

/** A new key of the registry, as its holder has it. */
export async function keyOf(
  world: World,
  scope: KeyRecord['scope'] | string,
  change: Partial<KeyRecord> = {},
): Promise<string> {
  const { registry } = world
  const made = newKey(typeof scope === 'string' ? await scopeOf(registry, scope) : scope, change)
  await putKeys(registry, [made.record])
  return made.key
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

import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant, type TenantPurged } from '../../src/lifecycle/delete/purge-tenant.ts'
import { createKey } from '../../src/lifecycle/key/create-key.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import type { Registry } from '../../src/registry/registry.ts'
import type { LifecycleGround } from './ground.ts'

export const SCHEMA = "create table projects (name text); insert into projects values ('one')"

/** A deleted tenant that has all that one may have. @returns the name of its database. */
export async function deletedTenant(ground: LifecycleGround, id: string): Promise<string> {
  const hostnames = [`${id}.example.test`, `www.${id}.example.test`]
  const { tenant } = await provisionTenant(ground.parts, { id, schema: SCHEMA, hostnames }, 'test')
  for (const name of ['one', 'two']) {
    await createKey(ground.parts, { scope: { kind: 'tenant', tenant: id }, name }, 'test')
  }
  await deleteTenant(ground.parts, id, { confirm: id }, 'test')
  return tenant.database
}

export function purgeNow(ground: LifecycleGround, id: string): Promise<TenantPurged> {
  return purgeTenant(ground.parts, id, { confirm: id, now: true }, 'test')
}

/** Databases and roles on the server that are named after a database. */
export async function namedAfter(ground: LifecycleGround, database: string): Promise<string[]> {
  const rows = await ground.server.query<{ name: string }>(
    `select rolname::text as name from pg_roles where starts_with(rolname, $1)
      union all select datname::text from pg_database where starts_with(datname, $1)`,
    [database],
  )
  return rows.map(({ name }) => name)
}

/** What the registry holds of a tenant, by kind and id; of operations, their kinds and states. */
export async function entriesOf(registry: Registry, tenant: string): Promise<string[]> {
  const [keys, aliases, operations] = await Promise.all([
    registry.list('key', undefined, { tenant }),
    registry.list('alias', undefined, { tenant }),
    registry.list('operation', undefined, { tenant }),
  ])
  const record = await registry.find('tenant', tenant)
  return [
    ...(record ? [`tenant ${record.record.status}`] : []),
    ...keys.entries.map(({ id }) => `key ${id}`),
    ...aliases.entries.map(({ id }) => `alias ${id}`),
    ...operations.entries.map(({ record: { kind, state } }) => `${kind} ${state}`),
  ]
}

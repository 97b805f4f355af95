import type { Entry, Registry } from '../../registry/registry.ts'

/** Every tenant but the deleted ones. For lifecycle only: a request never reads them all. */
export async function allTenants(registry: Registry): Promise<Entry<'tenant'>[]> {
  const tenants: Entry<'tenant'>[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await registry.list('tenant', cursor, { limit: 1000 })
    tenants.push(...page.entries.filter(({ record }) => record.status !== 'deleted'))
    if (page.next === undefined) return tenants
    cursor = page.next
  }
}

/** The other tenants of a server. */
export async function neighboursOn(
  registry: Registry,
  server: string,
  except: string,
): Promise<Entry<'tenant'>[]> {
  const tenants = await allTenants(registry)
  return tenants.filter(({ id, record }) => id !== except && record.route.server === server)
}

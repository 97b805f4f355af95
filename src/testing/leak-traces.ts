import type { AppRouter } from '../router/app-router.ts'

/** Where to look: a `TestTenancy` is one. */
export interface Ground {
  readonly router: AppRouter
  readonly tenants: readonly string[]
}

/** A marker in a row of a tenant's database. */
export interface Trace {
  readonly tenant: string
  /** With its schema. */
  readonly table: string
  readonly marker: string
}

/** Looks into every row that the tenants' roles may read. */
export async function findTraces(
  { router }: Ground,
  tenants: readonly string[],
  prefix: string,
): Promise<Trace[]> {
  const pattern = `${prefix}x[0-9]+x`
  const traces: Trace[] = []
  for (const tenant of tenants) {
    await router.withTenant(tenant, async (sql) => {
      const tables = await sql<{ schema: string; name: string }[]>`
        select n.nspname as schema, c.relname as name
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
           and pg_catalog.has_table_privilege(c.oid, 'SELECT') and not c.relispartition
         order by 1, 2`
      for (const { schema, name } of tables) {
        const found = await sql<{ marker: string }[]>`
          select distinct m.marker
            from ${sql(schema)}.${sql(name)} as row_of_it,
                 lateral (select (pg_catalog.regexp_matches(row_of_it::pg_catalog.text, ${pattern}, 'g'))[1] as marker) m`
        for (const { marker } of found) traces.push({ tenant, table: `${schema}.${name}`, marker })
      }
    })
  }
  return traces
}

import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { OperationRecord } from '../../src/registry/operation-record.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'

const AT = new Date().toISOString()
const SOMEBODY = parseTenantId('somebody')

/** What all of the crowd have in common. */
const TENANT: TenantRecord = {
  id: SOMEBODY,
  generation: 1,
  epoch: 1,
  status: 'active',
  statusReason: null,
  origin: 'provisioned',
  route: { server: '', database: '', role: '', password: null, slot: null, readOnly: null },
  identity: null,
  isolation: null,
  limits: { weight: 1 },
  labels: {},
  schemaVersion: null,
  operation: null,
  deletion: null,
  createdAt: AT,
  updatedAt: AT,
}

const OPERATION: OperationRecord = {
  id: randomUUID(),
  kind: 'provision',
  tenant: SOMEBODY,
  from: null,
  to: null,
  stepsDone: ['roles', 'database', 'open', 'furnish'],
  progress: null,
  data: {},
  state: 'done',
  error: null,
  actor: 'bench',
  holder: null,
  startedAt: AT,
  updatedAt: AT,
}

/**
 * Of every thousand tenants 900 are active, 99 suspended and one has failed; half are in each region, one of a hundred is
 * in a cohort, one of ten thousand is on the small server. Each has an alias, and each tenth an operation. Each tenth is
 * registered, and has the same names as all of these, on one of a thousand servers; the others were provisioned.
 */
export async function makeCrowd(database: pg.Client, tenants: number): Promise<void> {
  await database.query(
    `insert into tenantry_registry.entry (kind, id, revision, labels, record)
     select 'tenant', id, n, array['plan=' || plan, 'region=' || region, 'cohort=c' || n % 100],
       $1::jsonb || jsonb_build_object('id', id, 'status', status,
         'labels', jsonb_build_object('plan', plan, 'region', region, 'cohort', 'c' || n % 100),
         'origin', case when pin is null then 'provisioned' else 'registered' end, 'identity', pin,
         'route', $1::jsonb -> 'route' || jsonb_build_object('server', server,
           'database', case when pin is null then 't_' || id else 'postgres' end,
           'role', case when pin is null then 't_' || id || '_a' else 'app' end))
     from (select n, 't' || substr(md5(n::text), 1, 12) as id,
         case n % 1000 when 0 then 'failed' else case when n % 10 = 1 and n % 1000 <> 1 then 'suspended' else 'active' end end as status,
         case n % 1000 when 0 then 'enterprise' else case when n % 10 = 1 then 'pro' else 'free' end end as plan,
         case n % 2 when 0 then 'eu' else 'us' end as region,
         case when n % 10000 = 0 then 'small' when n % 10 = 0 then 'p' || n / 10 % 1000 else 's' || n % 50 end as server,
         case when n % 10 = 0 then jsonb_build_object('kind', 'pin', 'systemIdentifier', (7000000 + n / 10 % 1000)::text,
           'serverAddress', '10.0.0.' || n / 10 % 100 || ':5432', 'databaseOid', 16384 + n, 'databaseName', 'postgres',
           'shared', true) end as pin
       from generate_series(1, ${tenants}) n) as made`,
    [JSON.stringify(TENANT)],
  )
  await database.query(
    `insert into tenantry_registry.entry (kind, id, revision, tenant, record)
     select 'alias', 'hostname:' || id || '.example.com', revision, id, jsonb_build_object('kind', 'hostname',
       'value', id || '.example.com', 'tenant', id, 'createdAt', record -> 'createdAt')
     from tenantry_registry.entry where kind = 'tenant'`,
  )
  await database.query(
    `insert into tenantry_registry.entry (kind, id, revision, tenant, record)
     select 'operation', op, n, 't' || substr(md5(n::text), 1, 12), $1::jsonb || jsonb_build_object('id', op,
       'tenant', 't' || substr(md5(n::text), 1, 12), 'state', case when n % 10000 = 0 then 'running' else 'done' end)
     from (select n, gen_random_uuid()::text as op from generate_series(10, ${tenants}, 10) n) as made`,
    [JSON.stringify(OPERATION)],
  )
  await database.query('vacuum analyze tenantry_registry.entry')
  // Nobody's fleet comes to be in a minute: until what that wrote is on the disk, who reads has to write.
  await database.query('checkpoint')
}

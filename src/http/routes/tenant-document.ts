import { z } from 'zod'
import type { QueryLimits } from '../../query/query-limits.ts'
import { TENANT_STATUSES } from '../../tenant/tenant-status.ts'
import { SQL_FIELDS } from '../neon/sql-fault.ts'
import { NeonHeader } from '../neon/sql-headers.ts'
import { type Document, documentOf } from '../openapi/document.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'
import { queryBody } from './query.ts'
import { sqlBody } from './sql.ts'
import { transactionBody } from './transaction.ts'

/** Rows are objects, or arrays where `rowMode` says so. */
const Result = z.strictObject({
  fields: z.array(
    z.strictObject({ name: z.string(), dataTypeID: z.int(), tableID: z.int(), columnID: z.int() }),
  ),
  rows: z.array(z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())])),
  rowCount: z.int().nullable(),
  command: z.string(),
})

/** As the client of `@neondatabase/serverless` reads it. */
const NeonResult = z.strictObject({
  fields: z.array(
    z.strictObject({
      name: z.string(),
      dataTypeID: z.int(),
      tableID: z.int(),
      columnID: z.int(),
      dataTypeSize: z.int(),
      dataTypeModifier: z.int(),
      format: z.literal('text'),
    }),
  ),
  rows: z.array(z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())])),
  command: z.string(),
  rowCount: z.int().nullable(),
  rowAsArray: z.boolean(),
})
const NEON_REFUSALS = [400, 413, 423, 429, 500, 502, 503, 504, 507]
const NeonFault = z.strictObject(Object.fromEntries(SQL_FIELDS.map((name) => [name, z.string().nullable()])))

const OwnTenant = z.strictObject({
  id: z.string(),
  status: z.enum(TENANT_STATUSES),
  schemaVersion: z.string().nullable(),
  limits: z.strictObject({
    maxRows: z.int(),
    maxResultBytes: z.int(),
    maxStreamBytes: z.int(),
    statementTimeoutMs: z.int(),
    maxConnections: z.int().nullable(),
    requestsPerMinute: z.int().nullable(),
    concurrency: z.int().nullable(),
    overrideUntil: z.iso.datetime().nullable(),
  }),
  use: z.strictObject({
    connections: z.strictObject({ idle: z.int(), leased: z.int(), opening: z.int() }),
    waiting: z.int(),
    requests: z.strictObject({
      left: z.int().nullable(),
      resetSeconds: z.int(),
      active: z.int().nullable(),
    }),
  }),
})

const ofService = { 'X-Tenant-ID': 'Of a service key: the tenant, where the host does not name it.' }

/** Only `true` says yes to those that are not a level. */
const ofNeon = {
  [NeonHeader.connectionString]:
    'Required: postgresql://tk_<id>:<secret>@<tenant>.<domain>/<any name>, whose user and password are an API key.',
  [NeonHeader.rawText]: 'Values as the text of Postgres.',
  [NeonHeader.arrayMode]: 'Rows as arrays.',
  [NeonHeader.isolation]: 'Of a batch: ReadUncommitted, ReadCommitted, RepeatableRead or Serializable.',
  [NeonHeader.readOnly]: 'Of a batch.',
  [NeonHeader.deferrable]: 'Of a batch.',
}

type TenantRoute =
  | 'GET /openapi.json'
  | 'POST /v1/query'
  | 'POST /v1/transaction'
  | 'GET /v1/tenant'
  | 'POST /sql'
  | 'OPTIONS /sql'

const docsOf = (limits: QueryLimits): Record<TenantRoute, RouteDoc> => ({
  'GET /openapi.json': { summary: 'Tell this document', answers: { 200: z.looseObject({}) } },
  'POST /v1/query': {
    summary: 'Run one statement; with format as a stream of its rows',
    body: queryBody(limits),
    headers: ofService,
    answers: { 200: Result },
    otherAnswers: ['application/x-ndjson', 'text/csv'],
  },
  'POST /v1/transaction': {
    summary: 'Run statements in one transaction: all take effect, or none',
    body: transactionBody(limits),
    headers: ofService,
    answers: { 200: z.strictObject({ results: z.array(Result) }) },
  },
  'GET /v1/tenant': {
    summary: 'Show the tenant of the key',
    headers: ofService,
    answers: { 200: OwnTenant },
  },
  'POST /sql': {
    summary: 'Run a query, or a batch in one transaction, as @neondatabase/serverless asks',
    body: sqlBody,
    headers: ofNeon,
    answers: {
      200: z.union([NeonResult, z.strictObject({ results: z.array(NeonResult) })]),
      ...Object.fromEntries(NEON_REFUSALS.map((status) => [status, NeonFault])),
    },
  },
  'OPTIONS /sql': {
    summary: 'Tell browsers that any page may ask, with which headers',
    answers: { 200: { mediaType: 'text/plain', what: 'Nothing: the headers say it.' } },
  },
})

/** OpenAPI of the tenant plane, with the limits that hold here. */
export function tenantDocument(limits: QueryLimits): Document {
  return documentOf({
    title: 'Tenantry, tenant plane',
    description: 'SQL of one tenant at a time. A service key names the tenant by X-Tenant-ID or by the host.',
    version: '1',
    scheme: { name: 'apiKey', description: 'A key of a tenant, or of the service: tk_<id>_<secret>.' },
    routes: Object.entries(docsOf(limits)).map(([route, doc]) => {
      const [method = '', path = ''] = route.split(' ')
      const access = path.startsWith('/v1/') ? [] : ('open' as const)
      return { ...doc, method, path, access, takesIfMatch: false, showsRecord: false }
    }),
  })
}

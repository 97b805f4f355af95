import { z } from 'zod'
import { VerifyTrail } from '../../lifecycle/audit/verify-trail.ts'
import { CreateKey } from '../../lifecycle/key/create-key.ts'
import { CreateTenant } from '../../lifecycle/provision/create-tenant.ts'
import { KeepSpares } from '../../lifecycle/provision/spare/make-spares.ts'
import { CreateTemplate } from '../../lifecycle/provision/template/create-template.ts'
import { AcceptServer } from '../../lifecycle/server/accept-server.ts'
import { AddServer } from '../../lifecycle/server/add-server.ts'
import { RegisterTenant } from '../../lifecycle/tenant/register-tenant.ts'
import { SetTenant } from '../../lifecycle/tenant/set-tenant.ts'
import { SuspendTenant } from '../../lifecycle/tenant/suspend-tenant.ts'
import { AliasName } from '../../lifecycle/tenant/tenant-aliases.ts'
import { AliasKind } from '../../registry/alias-record.ts'
import { Alias, Key, Next, Operation, Server, Tenant } from '../openapi/answers.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'
import type { OperatorRoute } from './access.ts'
import { ADOPT_DOCS } from './adopt-docs.ts'
import { AliasesQuery } from './alias-routes.ts'
import { TrailQuery } from './audit-routes.ts'
import { DELETION_DOCS } from './deletion-docs.ts'
import { DIAGNOSIS_DOCS } from './diagnosis-docs.ts'
import { IMPORT_DOCS } from './import-docs.ts'
import { KeysQuery } from './key-routes.ts'
import { OperationsQuery } from './operation-routes.ts'
import {
  AuditShown,
  Created,
  EVENTS,
  NoBody,
  OfTemplate,
  ofTenant,
  PostponedAnswer,
  Registered,
  ServerAdded,
  Snapshot,
  SparesKept,
  Status,
  TemplateMade,
  TemplateShown,
} from './operator-answers.ts'
import { TemplatesQuery } from './provision-routes.ts'
import { ROTATION_DOCS } from './rotation-docs.ts'
import { RemoveQuery } from './server-record-routes.ts'
import { TenantsQuery } from './tenant-routes.ts'

/** What the OpenAPI document says of each route. A route without an entry does not compile. */
export const OPERATOR_DOCS = {
  'GET /openapi.json': { summary: 'Tell this document', answers: { 200: z.looseObject({}) } },
  'GET /livez': { summary: 'Tell whether the process answers', answers: { 200: Status } },
  'GET /readyz': { summary: 'Tell whether requests are taken', answers: { 200: Status, 503: Status } },
  'GET /startupz': { summary: 'Tell whether the service has started', answers: { 200: Status, 503: Status } },
  'GET /metrics': {
    summary: 'Tell the metrics, as Prometheus reads them',
    answers: { 200: { mediaType: 'text/plain', what: 'Metrics.' } },
  },
  'GET /v1/pools': {
    summary: 'Tell the connections and pools of this process, as of now',
    answers: { 200: Snapshot },
  },
  'GET /v1/pools/events': {
    summary: 'Follow what happens to pools',
    answers: { 200: { mediaType: EVENTS, what: 'A snapshot, then events as they happen.' } },
  },
  'GET /v1/tenants': {
    summary: 'List tenants in order of id, a page at a time',
    query: TenantsQuery,
    answers: { 200: z.strictObject({ tenants: z.array(Tenant), next: Next }) },
  },
  'POST /v1/tenants': {
    summary: 'Make a tenant with a database of its own, or register one whose database exists (route)',
    body: z.union([RegisterTenant, CreateTenant]),
    answers: { 200: z.union([Created, Registered]), 201: z.union([Created, Registered]) },
    isLong: true,
  },
  ...IMPORT_DOCS,
  ...ROTATION_DOCS,
  ...ADOPT_DOCS,
  ...DELETION_DOCS,
  'GET /v1/tenants/:id': {
    summary: 'Show a tenant, without its passwords',
    answers: { 200: Tenant.extend({ aliases: z.array(Alias.pick({ kind: true, value: true })) }) },
  },
  'PATCH /v1/tenants/:id': {
    summary: 'Change limits, and with an admin key labels, of a tenant; null takes one away',
    body: SetTenant,
    answers: {
      200: z.strictObject({
        tenant: Tenant,
        changes: z.array(
          z.strictObject({
            field: z.string(),
            from: z.union([z.string(), z.number()]).nullable(),
            to: z.union([z.string(), z.number()]).nullable(),
          }),
        ),
        caveat: z.string().nullable(),
      }),
    },
  },
  'GET /v1/tenants/:id/aliases': {
    summary: 'List the other names of a tenant',
    query: AliasesQuery,
    answers: { 200: z.strictObject({ aliases: z.array(Alias), next: Next }) },
  },
  'POST /v1/tenants/:id/aliases': {
    summary: 'Give a tenant another name',
    body: AliasName,
    answers: {
      200: z.strictObject({ alias: Alias, tenant: Tenant, created: z.boolean() }),
      201: z.strictObject({ alias: Alias, tenant: Tenant, created: z.boolean() }),
    },
  },
  'DELETE /v1/tenants/:id/aliases': {
    summary: 'Take a name away from a tenant',
    query: z.strictObject({ kind: AliasKind, value: z.string() }),
    answers: { 200: z.strictObject({ alias: Alias, tenant: Tenant }) },
  },
  'POST /v1/tenants/:id/suspend': {
    summary: "Refuse a tenant's requests and end its sessions",
    body: SuspendTenant,
    answers: {
      200: z.strictObject({
        tenant: Tenant,
        fence: z.enum(['database', 'registry']),
        sessionsEnded: z.int(),
        caveat: z.string().nullable(),
      }),
      202: PostponedAnswer,
    },
  },
  'POST /v1/tenants/:id/resume': {
    summary: 'Let a suspended tenant in again',
    body: NoBody,
    answers: { 200: ofTenant },
  },
  'POST /v1/tenants/:id/check': {
    summary: "Look again whether the tenant's role is isolated",
    body: NoBody,
    answers: { 200: ofTenant },
  },
  'POST /v1/tenants/:id/evict': {
    summary: "Close the tenant's idle connections in this process",
    body: NoBody,
    answers: { 200: z.strictObject({ tenant: z.string(), connections: z.int() }) },
  },
  ...DIAGNOSIS_DOCS,
  'GET /v1/keys': {
    summary: 'List API keys, without their secrets',
    query: KeysQuery,
    answers: { 200: z.strictObject({ keys: z.array(Key), next: Next }) },
  },
  'POST /v1/keys': {
    summary: 'Make an API key; no other answer ever shows it',
    body: CreateKey,
    answers: { 201: z.strictObject({ key: Key, secret: z.string() }) },
  },
  'DELETE /v1/keys/:id': { summary: 'Refuse an API key from now on', answers: { 200: Key } },
  'GET /v1/servers': {
    summary: 'List database servers',
    answers: { 200: z.strictObject({ servers: z.array(Server) }) },
  },
  'POST /v1/servers': {
    summary: 'Put a database server on record, by a login that is tried',
    body: AddServer,
    answers: { 200: ServerAdded, 201: ServerAdded },
  },
  'GET /v1/servers/:id': {
    summary: 'Show a database server, without its secrets',
    answers: { 200: z.strictObject({ server: Server }) },
  },
  'DELETE /v1/servers/:id': {
    summary: 'Take a server that has no tenants off the record',
    query: RemoveQuery,
    answers: { 200: z.strictObject({ server: Server }) },
  },
  'POST /v1/servers/:id/accept': {
    summary: 'Take on the tenants of a server as they are after a restore or an upgrade',
    body: AcceptServer,
    answers: {
      200: z.strictObject({
        server: z.string(),
        dryRun: z.boolean(),
        tenants: z.array(z.looseObject({ tenant: z.string(), outcome: z.string() })),
      }),
    },
  },
  'POST /v1/servers/:id/drain': {
    summary: 'Make no new tenants on a server; those that are there are served',
    body: NoBody,
    answers: { 200: z.strictObject({ server: Server }), 202: PostponedAnswer },
  },
  'POST /v1/servers/:id/undrain': {
    summary: 'Let new tenants be made on a server again',
    body: NoBody,
    answers: { 200: z.strictObject({ server: Server }), 202: PostponedAnswer },
  },
  'POST /v1/servers/:id/spares': {
    summary: 'Say how many spare databases a server is to have, and make or drop what differs',
    body: KeepSpares,
    answers: { 200: SparesKept },
    isLong: true,
  },
  'GET /v1/templates': {
    summary: 'List databases that tenants are copied from',
    query: TemplatesQuery,
    answers: { 200: z.strictObject({ templates: z.array(TemplateShown) }) },
  },
  'POST /v1/templates': {
    summary: 'Make a database that tenants are copied from; it never changes',
    body: CreateTemplate,
    answers: { 200: TemplateMade, 201: TemplateMade },
    isLong: true,
  },
  'DELETE /v1/templates/:name': {
    summary: 'Remove a template; tenants that were made from it stay as they are',
    query: TemplatesQuery,
    answers: { 200: OfTemplate.extend({ template: z.string() }) },
  },
  'GET /v1/audit': {
    summary: 'List the audit, the newest first: who changed what, and who was refused',
    query: TrailQuery,
    answers: { 200: z.strictObject({ entries: z.array(AuditShown), next: Next }) },
  },
  'POST /v1/audit/verify': {
    summary: 'Tell whether the audit is as it was sealed',
    body: VerifyTrail,
    answers: {
      200: z.strictObject({
        whole: z.boolean(),
        entries: z.int(),
        sealed: z.int(),
        fault: z.looseObject({ kind: z.string(), position: z.string().nullable() }).nullable(),
        faults: z.int(),
        head: z.string().nullable(),
        meaning: z.string().nullable(),
      }),
    },
  },
  'GET /v1/operations': {
    summary: 'List what was begun: provisioning, imports, rotations, deletions',
    query: OperationsQuery,
    answers: { 200: z.strictObject({ operations: z.array(Operation), next: Next }) },
  },
  'GET /v1/operations/:id': {
    summary: 'Show how far an operation is',
    answers: { 200: z.strictObject({ operation: Operation }) },
  },
  'GET /v1/operations/:id/events': {
    summary: 'Follow an operation until it is over',
    answers: { 200: { mediaType: EVENTS, what: 'The operation, at every change.' } },
  },
  'POST /v1/operations/:id/resume': {
    summary: 'Go on with an operation that failed, or whose process is gone',
    body: NoBody,
    answers: { 200: z.strictObject({ operation: Operation }) },
    isLong: true,
  },
} as const satisfies Record<OperatorRoute, RouteDoc>

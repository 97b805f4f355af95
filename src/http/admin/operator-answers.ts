import { z } from 'zod'
import { Probe, Server, Tenant } from '../openapi/answers.ts'

/* What routes of the operator plane answer, beside what every plane has. Tests hold real answers against it. */

export const NoBody = z.strictObject({})
export const Status = z.strictObject({ status: z.string() })
export const ofTenant = z.strictObject({ tenant: Tenant })
export const EVENTS = 'text/event-stream'

export const Placement = z.strictObject({
  server: z.string(),
  why: z.string(),
  warnings: z.array(z.string()),
})
export const Created = z.strictObject({
  tenant: Tenant,
  created: z.boolean(),
  placement: Placement.nullable(),
})
export const Registered = z.strictObject({ tenant: Tenant.nullable(), probe: Probe })

export const ServerAdded = z.strictObject({
  server: Server,
  capacity: z.looseObject({ version: z.int(), maxConnections: z.int(), usable: z.int() }),
  created: z.boolean(),
  warnings: z.array(z.string()),
})

export const SparesKept = z.strictObject({
  server: z.string(),
  count: z.int(),
  template: z.string().nullable(),
  ready: z.int(),
  made: z.int(),
  dropped: z.int(),
})
export const OfTemplate = z.strictObject({ server: z.string(), database: z.string() })
export const TemplateMade = OfTemplate.extend({ template: z.string(), created: z.boolean() })
export const TemplateShown = OfTemplate.extend({
  name: z.string(),
  ready: z.boolean(),
  operation: z.uuid().nullable(),
})

/** The registry is away: it is done when that is back, if the process lives until then. */
export const PostponedAnswer = z.strictObject({ postponed: z.literal(true), until: z.string() })

export const AuditShown = z.strictObject({
  position: z.string(),
  link: z.int().nullable(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  tenant: z.string().nullable(),
  revision: z.int(),
  detail: z.looseObject({}),
})

export const Snapshot = z.looseObject({
  connections: z.looseObject({ limit: z.int(), out: z.int() }),
  servers: z.array(z.looseObject({ server: z.string(), limit: z.int(), out: z.int(), breaker: z.string() })),
  pools: z.array(z.looseObject({ tenant: z.string(), server: z.string(), waiting: z.int() })),
  poolsLimit: z.int(),
  waiters: z.int(),
})

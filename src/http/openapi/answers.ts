import { z } from 'zod'
import type { KeyView } from '../../lifecycle/key/key-view.ts'
import type { OperationView } from '../../lifecycle/operation/operation-view.ts'
import type { ServerView } from '../../lifecycle/server/server-view.ts'
import type { AliasView } from '../../lifecycle/tenant/tenant-aliases.ts'
import type { TenantView } from '../../lifecycle/tenant/tenant-view.ts'
import { AliasRecord } from '../../registry/alias-record.ts'
import { KeyRecord } from '../../registry/key-record.ts'
import { OPERATION_STATES, OperationRecord } from '../../registry/operation-record.ts'
import { ServerRecord, TlsSettings } from '../../registry/server-record.ts'
import { TenantRecord } from '../../tenant/tenant-record.ts'
import { STATUS } from '../problem.ts'

/*
 * What answers hold, as schemas. Nothing is checked against them while the service runs: the compiler holds them
 * against the views that they describe, and tests hold real answers against them.
 */

/** Compare-and-set: it is the ETag too. */
const Revision = z.int().min(0)

export const Tenant = TenantRecord.omit({ route: true }).extend({
  server: z.string(),
  database: z.string(),
  role: z.string(),
  revision: Revision,
})

export const Alias = z.strictObject(AliasRecord.pick({ kind: true, value: true, createdAt: true }).shape)

export const Server = z.strictObject({
  ...ServerRecord.pick({ id: true, endpoints: true, via: true, budget: true, labels: true }).shape,
  ...ServerRecord.pick({ createdAt: true, updatedAt: true }).shape,
  tls: TlsSettings.shape.mode,
  admin: z.string().nullable(),
  draining: z.boolean(),
  templates: z.array(z.string()),
  spares: z.strictObject({ ready: z.int(), count: z.int() }),
  revision: Revision,
})

export const Key = z.strictObject({
  ...KeyRecord.omit({ secretHash: true }).shape,
  revision: Revision,
})

export const Operation = z.strictObject({
  ...OperationRecord.omit({ data: true, holder: true, state: true }).shape,
  /** `abandoned`: running on record, and its process has not been heard of for a while. */
  state: z.enum([...OPERATION_STATES, 'abandoned']),
})

const CODES = Object.keys(STATUS) as (keyof typeof STATUS)[] // its own keys, which `keys` forgets

/** RFC 9457. */
export const Problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(CODES),
  requestId: z.string(),
  retryAfterSeconds: z.number().optional(),
  sqlstate: z.string().optional(),
  sql: z.record(z.string(), z.string()).optional(),
})

/** In a list of pages: give it as `cursor` to see more; null on the last. */
export const Next = z.string().nullable()

export const Probe = z.looseObject({
  server: z.string(),
  serverIsNew: z.boolean(),
  postgres: z.int(),
  role: z.string(),
  nowNotIsolated: z.array(z.string()),
})

/** Does not compile where a view has become other than its schema. */
type Same<Schema extends z.ZodType, View> = z.output<Schema> extends View ? View : never
export type Views = readonly [
  Same<typeof Tenant, TenantView>,
  Same<typeof Alias, AliasView>,
  Same<typeof Server, ServerView>,
  Same<typeof Key, KeyView>,
  Same<typeof Operation, OperationView>,
]

/** Named once in the document, and referred to. */
export const COMPONENTS = { Tenant, Alias, Server, Key, Operation, Problem } as const

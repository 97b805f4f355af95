import { z } from 'zod'
import { TenantIdSchema } from '../tenant/tenant-record.ts'

/** A saga on one tenant, kept so that it can be resumed by whoever starts next. */
export const OperationRecord = z.strictObject({
  id: z.uuid(),
  kind: z.enum(['provision', 'register', 'suspend', 'resume']),
  tenant: TenantIdSchema,
  /** Names of the steps that are done, in order. */
  stepsDone: z.array(z.string()),
  /** What the steps hand to each other; secrets in it are sealed. */
  data: z.record(z.string(), z.unknown()),
  state: z.enum(['running', 'done', 'failed']),
  error: z.string().max(1000).nullable(),
  actor: z.string().max(128),
  startedAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})
export type OperationRecord = z.output<typeof OperationRecord>

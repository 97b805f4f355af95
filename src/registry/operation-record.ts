import { z } from 'zod'
import { keptRecord } from '../tenant/kept-record.ts'
import { TenantIdSchema } from '../tenant/tenant-record.ts'

/** What an operation may be; each is a list of steps somewhere under `lifecycle`. */
export const OPERATION_KINDS = [
  'provision',
  'import',
  'adopt',
  'release',
  'rotate',
  'delete',
  'undelete',
  'purge',
  'drain',
  'spare',
  'template',
  'rewrap',
] as const
export type OperationKind = (typeof OPERATION_KINDS)[number]

export const OPERATION_STATES = ['running', 'done', 'failed'] as const

/** A saga, kept so that whoever starts next can go on with it. */
export const OperationRecord = keptRecord({
  id: z.uuid(),
  kind: z.enum(OPERATION_KINDS),
  /** Null: of many tenants, or of none yet. */
  tenant: TenantIdSchema.nullable(),
  /** In words for the operator, as the server or the login slot that it leads from and to. */
  from: z.string().max(200).nullable().default(null),
  to: z.string().max(200).nullable().default(null),
  /** Names of the steps that are done, in order. */
  stepsDone: z.array(z.string()),
  /** How far it is, of how many; null where that cannot be said. */
  progress: z
    .strictObject({ done: z.int().min(0), total: z.int().min(0) })
    .nullable()
    .default(null),
  /** What the steps hand to each other; secrets in it are sealed. */
  data: z.record(z.string(), z.unknown()),
  state: z.enum(OPERATION_STATES),
  error: z.string().max(1000).nullable(),
  actor: z.string().max(128),
  /** The process that is at it, which says so again before `until`; after that another may go on with it. */
  holder: z.strictObject({ process: z.uuid(), until: z.iso.datetime() }).nullable().default(null),
  startedAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})
export type OperationRecord = z.output<typeof OperationRecord>

import { z } from 'zod'
import { TenantRecord } from '../../tenant/tenant-record.ts'
import { AliasRecord } from '../alias-record.ts'
import { KeyRecord } from '../key-record.ts'
import { OperationRecord } from '../operation-record.ts'
import { KINDS } from '../record-schema.ts'
import type { Kind } from '../registry.ts'
import { ServerRecord } from '../server-record.ts'

export const SCHEMA_VERSION = 1

/** The section of the file that holds a kind, in the file's order. */
export const SECTIONS = {
  server: 'servers',
  tenant: 'tenants',
  alias: 'aliases',
  key: 'keys',
  operation: 'operations',
} as const satisfies Record<Kind, string>

/** Kept beside the fields of a record; a record written by hand may have none. */
const kept = { revision: z.int().positive().optional() }
const entryId = z.string().min(1).max(300)
const counter = z.int().nonnegative()

/** The registry file as it is stored. Its JSON schema is `registry/file/registry.schema.json`. */
export const RegistryDocument = z.strictObject({
  schema: z.literal(SCHEMA_VERSION),
  id: z.uuid(),
  servers: z.record(entryId, ServerRecord.extend(kept)).default({}),
  tenants: z.record(entryId, TenantRecord.extend(kept)).default({}),
  aliases: z.record(entryId, AliasRecord.extend(kept)).default({}),
  keys: z.record(entryId, KeyRecord.extend(kept)).default({}),
  operations: z.record(entryId, OperationRecord.extend(kept)).default({}),
  /** Oldest first: revision, kind, id. */
  changes: z.array(z.tuple([z.int().positive(), z.enum(KINDS), z.string()])).default([]),
  /** The generation given last. */
  generation: counter,
  /** The revision given last. */
  revision: counter,
  /** Last in the file, so that one cut off while it was written is never taken for a smaller registry. */
  complete: z.literal(true),
})
export type RegistryDocument = z.output<typeof RegistryDocument>

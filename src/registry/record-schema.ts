import type { z } from 'zod'
import { AnswerRefusedError, InvalidRequestError } from '../errors.ts'
import { TenantRecord } from '../tenant/tenant-record.ts'
import { AliasRecord, aliasId } from './alias-record.ts'
import { KeyRecord } from './key-record.ts'
import { OperationRecord } from './operation-record.ts'
import type { Kind, Put, Records } from './registry.ts'
import { ServerRecord } from './server-record.ts'

export const KINDS = ['tenant', 'server', 'alias', 'key', 'operation'] as const satisfies readonly Kind[]

export const RECORD_SCHEMAS: { readonly [K in Kind]: z.ZodType<Records[K]> } = {
  tenant: TenantRecord,
  server: ServerRecord,
  alias: AliasRecord,
  key: KeyRecord,
  operation: OperationRecord,
}

/**
 * A record as a backend keeps it.
 * @throws {AnswerRefusedError} when it is not one of this kind and id; nothing that it holds is repeated.
 */
export function parseStoredRecord<K extends Kind>(kind: K, id: string, stored: unknown): Records[K] {
  const parsed = RECORD_SCHEMAS[kind].safeParse(stored)
  if (!parsed.success) {
    const fields = new Set(parsed.error.issues.map((issue) => `${String(issue.path[0] ?? '')} ${issue.code}`))
    throw unreadable(kind, id, [...fields].join(', '))
  }
  // One tenant's record in another's place would send the one's requests to the other's database.
  const put = { kind, record: parsed.data } as Put // the schema of the kind made it one
  if (idOf(put) !== id) throw unreadable(kind, id, 'it names another id')
  return parsed.data
}

function unreadable(kind: Kind, id: string, why: string): AnswerRefusedError {
  return new AnswerRefusedError('unreadable', `the registry's ${kind} ${id} cannot be read: ${why}`)
}

/** @throws {InvalidRequestError} when the record is not one of its kind, or is not the one its id says. */
export function refuseMalformedPut(put: Put): void {
  const parsed = RECORD_SCHEMAS[put.kind].safeParse(put.record)
  if (!parsed.success) throw new InvalidRequestError(`${put.kind} ${put.id}: ${faultsOf(parsed.error)}`)
  if (idOf(put) !== put.id)
    throw new InvalidRequestError(`${put.kind} ${put.id}: the record names another id`)
}

/** The id that a record must be kept under. */
export function idOf(put: Pick<Put, 'kind' | 'record'>): string {
  const { kind, record } = put as Put // the two were one value: Pick forgets that they belong together
  return kind === 'alias' ? aliasId(record.kind, record.value) : record.id
}

/** The tenant that a record belongs to, for `ListFilter.tenant`. */
export function tenantOf(put: Pick<Put, 'kind' | 'record'>): string | undefined {
  const { kind, record } = put as Put // as above
  switch (kind) {
    case 'alias':
      return record.tenant
    case 'operation':
      return record.tenant ?? undefined
    case 'key':
      return record.scope.kind === 'tenant' ? record.scope.tenant : undefined
    case 'tenant':
    case 'server':
      return undefined
  }
}

function faultsOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
}

import { z } from 'zod'
import { NotFoundError } from '../../errors.ts'
import { OPERATION_STATES } from '../../registry/operation-record.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { type OperationView, viewOperation } from './operation-view.ts'

export const ListOperations = z.strictObject({
  cursor: z.string().optional(),
  tenant: z.string().optional(),
  state: z.enum(OPERATION_STATES).optional(),
  limit: z.int().min(1).max(1000).default(100),
})
export type ListOperations = z.input<typeof ListOperations>

export interface OperationPage {
  readonly operations: readonly OperationView[]
  readonly next: string | null
}

export async function listOperations(registry: Registry, input: ListOperations): Promise<OperationPage> {
  const { cursor, ...filter } = ListOperations.parse(input)
  const { entries, next } = await registry.list('operation', cursor, {
    limit: filter.limit,
    ...(filter.tenant === undefined ? {} : { tenant: filter.tenant }),
    ...(filter.state === undefined ? {} : { state: filter.state }),
  })
  return { operations: entries.map(({ record }) => viewOperation(record)), next: next ?? null }
}

export async function showOperation(registry: Registry, id: string): Promise<OperationView> {
  return viewOperation((await findOperation(registry, id)).record)
}

/** @throws {NotFoundError} */
export async function findOperation(registry: Registry, id: string): Promise<Entry<'operation'>> {
  const entry = z.uuid().safeParse(id).success ? await registry.find('operation', id) : undefined
  if (entry === undefined) throw new NotFoundError(`operation ${id}`)
  return entry
}

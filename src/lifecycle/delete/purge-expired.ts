import { z } from 'zod'
import { TenantryError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { OperationRecord } from '../../registry/operation-record.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { startPurge, type TenantPurged } from './purge-tenant.ts'

export const PurgeExpired = z.strictObject({
  /** Tell which, and purge none. */
  dryRun: z.boolean().default(false),
})
export type PurgeExpired = z.input<typeof PurgeExpired>

export interface ExpiredPurged {
  /** Those that were due when it was begun. */
  readonly due: readonly { readonly tenant: string; readonly purgeAfter: string | null }[]
  readonly purged: readonly TenantPurged[]
  /** Each is as it was, or goes on from where it failed when it is purged again. */
  readonly failed: readonly { readonly tenant: string; readonly error: string }[]
}

/** Purges every tenant whose grace has ended, and goes on with purges that failed: one after another. */
export async function startPurgeOfExpired(
  parts: LifecycleParts,
  input: PurgeExpired,
  actor: string,
): Promise<Started<ExpiredPurged>> {
  const { dryRun } = PurgeExpired.parse(input)
  const due = await dueTenants(parts.registry)
  if (dryRun || due.length === 0) {
    return { operation: null, result: Promise.resolve({ due: due.map(asDue), purged: [], failed: [] }) }
  }
  const progress = { done: 0, total: due.length }
  return carryOut(parts, await Operation.begin(parts, { kind: 'purge', progress }, actor), due, actor)
}

/** As `startPurgeOfExpired`, to its end. */
export async function purgeExpired(
  parts: LifecycleParts,
  input: PurgeExpired,
  actor: string,
): Promise<ExpiredPurged> {
  return (await startPurgeOfExpired(parts, input, actor)).result
}

/** With those that are due by now. */
export async function resumePurgeOfExpired(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<ExpiredPurged>> {
  const due = await dueTenants(parts.registry)
  const change = { operation: { progress: { done: 0, total: due.length } } }
  return carryOut(parts, await Operation.take(parts, operation, actor, change), due, actor)
}

function carryOut(
  parts: LifecycleParts,
  operation: Operation,
  due: readonly TenantRecord[],
  actor: string,
): Started<ExpiredPurged> {
  return started(operation, async () => {
    const purged: TenantPurged[] = []
    const failed: { tenant: string; error: string }[] = []
    const progress = (): OperationRecord['progress'] => ({
      done: purged.length + failed.length,
      total: due.length,
    })
    for (const { id } of due) {
      try {
        purged.push(await (await startPurge(parts, id, { confirm: id }, actor)).result)
      } catch (error) {
        if (!(error instanceof TenantryError)) throw error
        failed.push({ tenant: id, error: error.message })
      }
      await operation.keep({ progress: progress() }, 'progress')
    }
    await operation.done({}, { detail: { purged: purged.length, failed: failed.length } })
    return { due: due.map(asDue), purged, failed }
  })
}

function asDue({ id, deletion }: TenantRecord): ExpiredPurged['due'][number] {
  return { tenant: id, purgeAfter: deletion?.purgeAfter ?? null }
}

async function dueTenants(registry: Registry): Promise<TenantRecord[]> {
  const due: TenantRecord[] = []
  for (const status of ['deleted', 'deleting'] as const) {
    for await (const { record } of everyEntry(registry, 'tenant', { status })) {
      if (isDue(record)) due.push(record)
    }
  }
  return due
}

function isDue({ status, deletion }: TenantRecord): boolean {
  if (status === 'deleting') return true
  return deletion !== null && Date.parse(deletion.purgeAfter) <= Date.now()
}

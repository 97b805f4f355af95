import { createHash } from 'node:crypto'
import { z } from 'zod'
import { InvalidRequestError, TenantUnknownError } from '../errors.ts'
import { parseTenantId } from '../tenant/tenant-id.ts'
import { Labels } from '../tenant/tenant-record.ts'
import { TENANT_STATUSES } from '../tenant/tenant-status.ts'
import { everyEntry } from './every-entry.ts'
import type { Entry, Registry } from './registry.ts'

const MAX_NAMED = 1_000

/** Which tenants a verb is for. Every condition that is given must hold. */
export const TenantSelector = z
  .strictObject({
    /** These, in this order; each must be there. */
    tenants: z.array(z.string()).min(1).max(MAX_NAMED).optional(),
    /** Those with every one of these labels. */
    labels: Labels.optional(),
    status: z.enum(TENANT_STATUSES).optional(),
    /** About so many of a hundred: the same ones each time, and of a larger sample all that are in a smaller one. */
    samplePercent: z.number().positive().max(100).optional(),
    /** Every tenant. */
    all: z.boolean().default(false),
  })
  .superRefine(({ all, ...conditions }, context) => {
    const isNarrowed = Object.values(conditions).some((condition) => condition !== undefined)
    if (all === isNarrowed) {
      const message = all
        ? 'all goes with no other condition'
        : 'say which tenants are meant: by name, label, status, sample, or all of them'
      context.addIssue({ code: 'custom', message })
    }
  })
export type TenantSelector = z.input<typeof TenantSelector>

/**
 * The tenants meant, as they are on record when their page is read. Those that are deleted only where they are named, or
 * their status is asked for.
 * @throws {InvalidRequestError | InvalidTenantIdError} before the first; {TenantUnknownError} that names all that are not there.
 */
export async function* selectTenants(
  registry: Registry,
  selector: TenantSelector,
): AsyncGenerator<Entry<'tenant'>> {
  const wanted = checked(selector)
  const candidates = wanted.tenants ? named(registry, wanted.tenants) : listed(registry, wanted)
  for await (const entry of candidates) {
    if (isMeant(entry, wanted)) yield entry
  }
}

type Wanted = z.output<typeof TenantSelector>

function checked(selector: TenantSelector): Wanted {
  const result = TenantSelector.safeParse(selector)
  if (result.success) return result.data
  throw new InvalidRequestError(result.error.issues.map(({ message }) => message).join('; '))
}

async function* named(registry: Registry, ids: readonly string[]): AsyncGenerator<Entry<'tenant'>> {
  const entries: Entry<'tenant'>[] = []
  const unknown: string[] = []
  for (const id of new Set(ids)) {
    const entry = await registry.find('tenant', parseTenantId(id))
    if (entry) entries.push(entry)
    else unknown.push(id)
  }
  // Before the first of them has its turn: whoever mistyped one name wants none to be touched.
  if (unknown.length > 0) throw new TenantUnknownError(`not in the registry: ${unknown.join(', ')}`)
  yield* entries
}

function listed(registry: Registry, { labels, status }: Wanted): AsyncGenerator<Entry<'tenant'>> {
  return everyEntry(registry, 'tenant', { ...(labels ? { labels } : {}), ...(status ? { status } : {}) })
}

function isMeant(
  { id, record }: Entry<'tenant'>,
  { tenants, labels, status, samplePercent }: Wanted,
): boolean {
  if (samplePercent !== undefined && percentileOf(id) >= samplePercent) return false
  if (status === undefined ? record.status === 'deleted' && !tenants : record.status !== status) return false
  return Object.entries(labels ?? {}).every(([name, value]) => record.labels[name] === value)
}

/** Where a tenant stands among a hundred parts, by its name alone: from 0, below 100. */
function percentileOf(id: string): number {
  return (createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32) * 100
}

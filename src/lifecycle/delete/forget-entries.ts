import { RevisionConflictError } from '../../errors.ts'
import type { Entry, Kind } from '../../registry/registry.ts'
import type { Purging } from './purging.ts'

/** Removed in one commit: a transaction of Consul has 64 operations, and a removal takes two. */
const BATCH = 25
/** Of a batch in which somebody else changed something. */
const ATTEMPTS = 10

export type OwnKind = Extract<Kind, 'key' | 'alias' | 'operation'>
const WHAT = { key: 'keys', alias: 'aliases', operation: 'operations' } as const
const REMAINS = {
  key: 'No API key names it.',
  alias: 'No host name or other alias leads to it.',
  operation: 'No operation of it is on record but this purge.',
} as const satisfies Record<OwnKind, string>

/** Removes the tenant's entries of a kind from the registry, each batch with its line of the receipt. */
export async function forgetEntries(purging: Purging, kind: OwnKind): Promise<void> {
  const line = { what: WHAT[kind], outcome: 'gone' as const, detail: REMAINS[kind] }
  for (let attempt = 1; ; ) {
    const entries = await someOf(purging, kind)
    if (entries.length === 0) break
    try {
      const removes = entries.map(({ id }) => ({ kind, id }))
      await purging.note({ ...line, count: entries.length }, { removes, expectations: entries })
    } catch (error) {
      if (!(error instanceof RevisionConflictError) || attempt === ATTEMPTS) throw error
      attempt += 1
    }
  }
  if (!purging.receipt.some(({ what }) => what === line.what)) await purging.note({ ...line, count: 0 })
}

/** At most a batch; none where there are none. */
export async function someOf(
  purging: Purging,
  kind: OwnKind,
): Promise<Pick<Entry, 'kind' | 'id' | 'revision'>[]> {
  const { parts, tenant, operation } = purging
  const { entries } = await parts.registry.list(kind, undefined, { tenant: tenant.id, limit: BATCH + 1 })
  return entries
    .filter(({ id }) => id !== operation.record.id)
    .slice(0, BATCH)
    .map(({ id, revision }) => ({ kind, id, revision }))
}

import { InternalError, RevisionConflictError } from '../../errors.ts'
import { now } from '../parts.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { forgetEntries, type OwnKind, someOf } from './forget-entries.ts'
import type { Purging } from './purging.ts'
import { withLine } from './receipt.ts'

const ATTEMPTS = 10
const KINDS: readonly OwnKind[] = ['key', 'alias', 'operation']

/**
 * Removes the tenant's own record, and with that commit the purge is done: there is no moment in which the name is
 * free and the purge is not over.
 */
export async function forgetTenant(purging: Purging): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await refuseRemains(purging)
    try {
      return await commit(purging)
    } catch (error) {
      if (!(error instanceof RevisionConflictError) || attempt === ATTEMPTS) throw error
    }
  }
}

/** Somebody may have given the tenant a key or a host name since those were removed. */
async function refuseRemains(purging: Purging): Promise<void> {
  for (const kind of KINDS) {
    if ((await someOf(purging, kind)).length > 0) await forgetEntries(purging, kind)
  }
}

async function commit(purging: Purging): Promise<void> {
  const { operation, parts } = purging
  const tenant = await findTenant(parts.registry, purging.tenant.id)
  if (
    tenant.record.generation !== purging.tenant.generation ||
    tenant.record.operation !== operation.record.id
  ) {
    throw new InternalError(`tenant ${tenant.id} is not the one that is purged`)
  }
  const detail = `Tenant ${tenant.id} of generation ${tenant.record.generation} is not in the registry; the name is free.`
  const receipt = withLine(purging.receipt, { what: 'record', outcome: 'gone', count: 1, detail })
  const { data, stepsDone } = operation.record
  await operation.keep(
    {
      state: 'done',
      error: null,
      holder: null,
      stepsDone: [...stepsDone, 'record'],
      data: { ...data, receipt, purgedAt: now() },
    },
    'done',
    {
      removes: [{ kind: 'tenant', id: tenant.id }],
      expectations: [{ kind: 'tenant', id: tenant.id, revision: tenant.revision }],
      detail: Object.fromEntries(receipt.map(({ what, outcome, count }) => [what, `${outcome} ${count}`])),
    },
  )
}

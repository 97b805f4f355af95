import type { Entry } from '../../../registry/registry.ts'
import { viewOperation } from '../../operation/operation-view.ts'
import { resumeOperation } from '../../operation/resume-operation.ts'
import type { Found } from '../finding.ts'
import { type Fleet, type FleetCheck, tenantsOf } from '../fleet.ts'

/** What was begun and did not come to its end. */
export const operations: FleetCheck = {
  name: 'operations',
  run(_parts, fleet): Found[] {
    const held = new Map(tenantsOf(fleet).map(({ id, record }) => [id as string, record.operation]))
    return fleet.operations
      .filter((entry) => isMeant(fleet, held, entry))
      .flatMap((entry) => told(held, entry))
  },
}

function isMeant(
  { isWhole }: Fleet,
  held: ReadonlyMap<string, unknown>,
  { record }: Entry<'operation'>,
): boolean {
  return isWhole || (record.tenant !== null && held.has(record.tenant))
}

function told(held: ReadonlyMap<string, string | null>, { id, record }: Entry<'operation'>): Found[] {
  const { kind, tenant, state, stepsDone, error } = viewOperation(record)
  const subject = tenant === null ? `operation ${id}` : `tenant ${tenant}`
  const last = stepsDone.at(-1)
  const where = last === undefined ? 'before its first step' : `after step ${last}`
  if (state === 'abandoned') {
    return [
      {
        severity: 'warning',
        subject,
        what: `Operation ${id} (${kind}) stopped ${where}: its process is gone.`,
        consequence: 'What it was at is half done, and nothing else may begin there.',
        fix: `tenantry operation resume ${id}`,
        repair: async (parts, actor) => {
          await (await resumeOperation(parts, id, actor)).result
        },
      },
    ]
  }
  if (state !== 'failed') return []
  // One that has its tenant no more was overtaken: by another operation, or by a hand.
  const isHeld = tenant === null || held.get(tenant) === id
  return [
    {
      severity: isHeld ? 'warning' : 'info',
      subject,
      what: `Operation ${id} (${kind}) failed ${where}: ${error ?? 'nothing is known of why'}`,
      consequence: isHeld ? 'What it was at is half done.' : 'Something else was done with the tenant since.',
      fix: isHeld ? `tenantry operation resume ${id}` : null,
    },
  ]
}

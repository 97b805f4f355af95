import type { Entry } from '../../../registry/registry.ts'
import type { Found } from '../finding.ts'
import { type FleetCheck, tenantsOf } from '../fleet.ts'

const DAY_MS = 86_400_000
/** Whoever is suspended for longer is forgotten, or was to be deleted. */
const LONG_DAYS = 30

/** Tenants that are neither served nor gone. */
export const statuses: FleetCheck = {
  name: 'statuses',
  run: (_parts, fleet): Found[] => tenantsOf(fleet).flatMap((entry) => told(entry, Date.now())),
}

function told({ id, record }: Entry<'tenant'>, now: number): Found[] {
  const { status, statusReason, operation, updatedAt, deletion } = record
  const subject = `tenant ${id}`
  const why = statusReason === null ? '' : ` (${statusReason})`
  const daysSince = (at: string) => Math.floor((now - Date.parse(at)) / DAY_MS)
  switch (status) {
    case 'active':
      return []
    case 'suspended': {
      const days = daysSince(updatedAt)
      if (days < LONG_DAYS) return []
      const what = `It is suspended for ${days} days${why}.`
      const consequence = 'It takes its place on its server, and its rows are kept.'
      return [
        {
          severity: 'info',
          subject,
          what,
          consequence,
          fix: `tenantry tenant resume ${id}, or: tenantry tenant delete ${id}`,
        },
      ]
    }
    case 'deleted': {
      const days = deletion === null ? -1 : daysSince(deletion.purgeAfter)
      if (days < 0) return []
      const what = `It is deleted, and its grace is over for ${days} days.`
      const consequence = 'Its rows are kept longer than was said, and its name cannot be used again.'
      return [
        { severity: 'warning', subject, what, consequence, fix: `tenantry tenant purge ${id} --yes ${id}` },
      ]
    }
    case 'failed':
    case 'provisioning':
    case 'moving':
    case 'deleting':
      // One that an operation has is told with that.
      if (operation !== null) return []
      return [
        {
          severity: 'warning',
          subject,
          what: `It is ${status}${why}, and no operation has it.`,
          consequence: 'Its requests are refused, and nothing goes on with it.',
          fix:
            status === 'deleting'
              ? `tenantry tenant purge ${id} --yes ${id}`
              : `tenantry tenant delete ${id} --yes ${id}`,
        },
      ]
  }
}

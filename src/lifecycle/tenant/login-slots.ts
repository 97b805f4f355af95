import type { TenantRecord } from '../../tenant/tenant-record.ts'

/** Every login role that a tenant has had, the one on record among them: rotation goes from one to the other. */
export function slotsOf({ role, slot }: TenantRecord['route']): string[] {
  if (slot === null) return [role]
  const stem = role.slice(0, -1)
  return [`${stem}a`, `${stem}b`]
}

/** The role that migrations of a tenant log in as, beside either of its slots. */
export function migratorOf(slot: string): string {
  return `${slot.slice(0, -1)}m`
}

export const TENANT_STATUSES = [
  'provisioning',
  'active',
  'suspended',
  'moving',
  'deleting',
  'deleted',
  'failed',
] as const
export type TenantStatus = (typeof TENANT_STATUSES)[number]

/**
 * One that is `deleting` is being purged. What brings a deleted one back is undelete alone, to what its record says
 * that it was: no other change of status may.
 */
const NEXT: Record<TenantStatus, readonly TenantStatus[]> = {
  provisioning: ['active', 'failed', 'deleted'],
  active: ['suspended', 'moving', 'deleted'],
  suspended: ['active', 'deleted'],
  moving: ['active', 'failed', 'deleted'],
  deleting: [],
  deleted: ['deleting'],
  failed: ['provisioning', 'active', 'deleted'],
}

/** Whether a tenant may go from one status to another; staying where it is, is no change and always allowed. */
export function mayBecome(from: TenantStatus, to: TenantStatus): boolean {
  return from === to || NEXT[from].includes(to)
}

/** Whether it is refused for good, or until somebody undeletes it. */
export function isDeleted({ status }: { readonly status: TenantStatus }): boolean {
  return status === 'deleted' || status === 'deleting'
}

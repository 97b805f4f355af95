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

const NEXT: Record<TenantStatus, readonly TenantStatus[]> = {
  provisioning: ['active', 'failed', 'deleting'],
  active: ['suspended', 'moving', 'deleting'],
  suspended: ['active', 'deleting'],
  moving: ['active', 'failed', 'deleting'],
  deleting: ['deleted', 'failed'],
  deleted: [],
  failed: ['provisioning', 'active', 'deleting'],
}

/** Whether a tenant may go from one status to another; staying where it is, is no change and always allowed. */
export function mayBecome(from: TenantStatus, to: TenantStatus): boolean {
  return from === to || NEXT[from].includes(to)
}

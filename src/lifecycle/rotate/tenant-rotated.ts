import type { TenantView } from '../tenant/tenant-view.ts'

export interface TenantRotated {
  readonly tenant: TenantView
  /** The login role until now, and from now on. */
  readonly from: string
  readonly to: string
  /** Of the old login, that did not end by themselves in time. */
  readonly sessionsEnded: number
  /** What was not done, or stays with the old login, in words; null where there is nothing of that. */
  readonly caveat: string | null
}

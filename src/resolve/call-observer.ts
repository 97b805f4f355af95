import type { KeyRecord } from '../registry/key-record.ts'

/** Why a caller with a key was refused a tenant that is not for that key. */
export type CallRefusal =
  /** A tenant's own key, used for another tenant by header or host. */
  | 'tenant_mismatch'
  /** A service key, used for a tenant without its labels. */
  | 'labels_differ'
  /** A service key, whose header and host name different tenants. */
  | 'names_differ'

/** Told of every caller whose key is good. Must not throw, and is not waited for. */
export interface CallObserver {
  /** @param tenant as the request names it: it need not exist. */
  refused(key: KeyRecord, tenant: string, why: CallRefusal): void
  /** A service key was used for the tenant. */
  served(key: KeyRecord, tenant: string): void
}

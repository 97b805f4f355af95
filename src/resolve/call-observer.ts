import type { KeyRecord } from '../registry/key-record.ts'
import type { TenantId } from '../tenant/tenant-id.ts'

/** Who asked. What is written of others than keys is bounded, since anybody may come. */
export type CallSubject =
  | Pick<KeyRecord, 'id' | 'scope'>
  /** Whom a token is of, as its issuer says, and of which tenant. */
  | { readonly id: string; readonly scope: { readonly kind: 'token'; readonly tenant: TenantId } }
  /** Without a credential of ours: the application's own login did not let it pass. */
  | { readonly id: 'session'; readonly scope: { readonly kind: 'session' } }

/** Why a caller was refused a tenant that is not for that caller. */
export type CallRefusal =
  /** A tenant's own key or token, used for another tenant by header, host or path. */
  | 'tenant_mismatch'
  /** A service key, used for a tenant without its labels. */
  | 'labels_differ'
  /** Header, host and path name different tenants. */
  | 'names_differ'
  /** The application's own `authorize` said no. */
  | 'not_permitted'

/** Told of callers. Must not throw, and is not waited for. */
export interface CallObserver {
  /**
   * @param tenant as the request names it: it need not exist.
   * @param client the address that the request came from, where that is known.
   */
  refused(subject: CallSubject, tenant: string, why: CallRefusal, client?: string): void
  /** A service key was used for the tenant. */
  served(key: Pick<KeyRecord, 'id' | 'scope'>, tenant: string): void
}

import type { Trust } from '../connection/connection.ts'
import type { KeyRecord } from '../registry/key-record.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'

/** Who asks, and for which tenant: both proved. Its SQL is as far to be trusted as its key says. */
export interface Caller {
  readonly key: KeyRecord
  readonly tenant: TenantRecord
  /** A tenant's own key is foreign; a service key is the team's. */
  readonly trust: Trust
}

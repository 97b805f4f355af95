import type { Pin } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'

/** Whether a tenant lives in the database of this pin: by what was seen there, or by what its route says. */
export function livesAt({ route, identity }: TenantRecord, pin: Pin, server: string): boolean {
  if (route.server === server && route.database === pin.databaseName) return true
  if (identity?.kind !== 'pin') return false
  const isSameServer =
    identity.systemIdentifier === null || pin.systemIdentifier === null
      ? identity.serverAddress !== null && identity.serverAddress === pin.serverAddress
      : identity.systemIdentifier === pin.systemIdentifier
  return (
    isSameServer && identity.databaseOid === pin.databaseOid && identity.databaseName === pin.databaseName
  )
}

/** Whether a tenant lives on the server of this pin, under whatever name that server is on record. */
export function sharesServer({ route, identity }: TenantRecord, pin: Pin, server: string): boolean {
  if (route.server === server) return true
  const known = identity?.kind === 'pin' ? identity.systemIdentifier : null
  return known !== null && known === pin.systemIdentifier
}

import { NotFoundError, PreconditionFailedError } from '../../errors.ts'
import type { Registry } from '../../registry/registry.ts'
import type { IssuedCredential, TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import { findServer } from '../server/server-view.ts'
import { changeTenant, findTenant } from '../tenant/change-tenant.ts'
import { dropPersonRole } from './person-role.ts'

/** A login role for people and tools, as operators see it. Its password was shown once. */
export interface CredentialView extends IssuedCredential {
  /** Its time is over: the server refuses its password. */
  readonly expired: boolean
}

export function viewCredential(issued: IssuedCredential): CredentialView {
  return { ...issued, expired: Date.parse(issued.validUntil) <= Date.now() }
}

/** @throws {TenantUnknownError} */
export async function listCredentials(registry: Registry, id: string): Promise<CredentialView[]> {
  const { record } = await findTenant(registry, id)
  return (record.credentials ?? []).map(viewCredential)
}

export interface CredentialRevoked {
  readonly role: string
  readonly sessionsEnded: number
}

/**
 * Ends the sessions of a login role that `issueCredential` made, and drops it.
 * @throws {TenantUnknownError | NotFoundError | PreconditionFailedError | ServerUnavailableError}
 */
export async function revokeCredential(
  parts: LifecycleParts,
  id: string,
  role: string,
  actor: string,
): Promise<CredentialRevoked> {
  const { record } = await findTenant(parts.registry, id)
  if (!record.credentials?.some((issued) => issued.role === role))
    throw new NotFoundError(`tenant ${id} has no credential ${JSON.stringify(role.slice(0, 63))}`)
  await using sessions = await adminOf(parts, record)
  const sessionsEnded = await dropPersonRole(sessions, record, role)
  // Only now: what is on record may be there, what is not is gone.
  await forget(parts.registry, id, role, actor)
  return { role, sessionsEnded }
}

export async function forget(registry: Registry, id: string, role: string, actor: string): Promise<void> {
  const audit = auditEntry(actor, 'tenant.credentials.revoke', id, { role })
  await changeTenant(registry, id, audit, ({ credentials = [] }) => ({
    credentials: credentials.filter((issued) => issued.role !== role),
  }))
}

/** @throws {PreconditionFailedError} where this process is no admin of the tenant's server. */
export async function adminOf(parts: LifecycleParts, { id, route }: TenantRecord): Promise<AdminSessions> {
  const sessions = AdminSessions.of(parts, await findServer(parts.registry, route.server))
  if (sessions !== undefined) return sessions
  throw new PreconditionFailedError(
    `Credentials of tenant ${id} need an admin login of server ${route.server}, and TENANTRY_ADMIN_KEY, which opens it.`,
  )
}

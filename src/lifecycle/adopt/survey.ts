import { PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { proveIdentity, readPin } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { connectionLimitFor } from '../provision/role-settings.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { neighboursOf } from '../tenant/neighbours.ts'
import { adminSealerOf, namesFor } from './adoption.ts'
import type { Surveyed } from './adoption-plan.ts'
import { type Inside, lookInside, membershipsOf, verifierOf } from './look-inside.ts'

/**
 * Looks at a registered tenant's database over a read-only session as its own role, and at its role as the admin.
 * @throws {PreconditionFailedError} where it cannot be adopted whatever is found; {LoginFailedError};
 * {IdentityUnknownError} where the route leads to another database than it did.
 */
export async function survey(parts: LifecycleParts, { record: tenant }: Entry<'tenant'>): Promise<Surveyed> {
  const { registry, sealer } = parts
  refuseStatus(tenant)
  const server = await findServer(registry, tenant.route.server)
  refuseServer(server)
  await using admin = await Session.readOnly(
    adminTargetOf(server, adminSealerOf(parts), registry.id, undefined, sealer),
  )
  await using session = await Session.readOnly(targetOf(tenant, server, sealer, registry.id))
  await proveIdentity(session.connection, tenant)
  const inside = await lookInside(session, tenant.route.role)
  const adminRole = server.admin?.role ?? ''
  const place = { server, pin: await readPin(session.connection), except: tenant.id }
  const { tenants, sharers } = await neighboursOf(registry, session, place)
  return {
    tenant,
    names: namesFor(registry, tenant),
    inside,
    admin: adminRole,
    memberships: await membershipsOf(session, adminRole, rolesBehind(inside)),
    verifier: await verifierOf(admin, tenant.route.role),
    connectionLimit: connectionLimitFor(tenant.limits, server.budget, parts.maxConnectionsPerTenant),
    sharers: sharers.map(({ id }) => id),
    users: tenants.filter(({ record }) => record.route.role === tenant.route.role).map(({ id }) => id),
  }
}

/** Those who own what rights are to be granted on, or make it later. */
export function rolesBehind({ access, rights, creators, defaults }: Inside): string[] {
  const owners = rights.map(({ owner }) => owner).filter((owner) => owner !== DATABASE_OWNER)
  return [...new Set([access.owner, ...owners, ...creators, ...defaults.map(({ creator }) => creator)])]
}

/** Whoever owns the database has the rights of this one. */
export const DATABASE_OWNER = 'pg_database_owner'

function refuseStatus({ id, origin, status }: TenantRecord): void {
  if (origin !== 'registered') {
    throw new PreconditionFailedError(`Tenant ${id} is ${origin}: only a registered one is adopted.`)
  }
  if (status === 'active') return
  throw new PreconditionFailedError(`Tenant ${id} is ${status}: only an active one is adopted.`)
}

function refuseServer({ id, via, admin, passwordProvider }: ServerRecord): void {
  if (via !== 'direct') {
    throw new PreconditionFailedError(
      `Server ${id} is a ${via}: databases are adopted on Postgres itself. Put its address on record as a server of its own, and register the tenant there.`,
    )
  }
  if (passwordProvider !== null) {
    throw new PreconditionFailedError(
      `Server ${id} has a password provider: an adopted tenant has passwords of its own. Put it on record without one (tenantry server add ${id}).`,
    )
  }
  if (admin !== null) return
  throw new PreconditionFailedError(
    `Server ${id} has no admin login on record. Add it again with one, CREATEDB and CREATEROLE: tenantry server add ${id} --dsn-file -`,
  )
}

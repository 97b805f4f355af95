import { z } from 'zod'
import type { ConnectionTarget } from '../../connection/connection.ts'
import { PreconditionFailedError } from '../../errors.ts'
import { adminTargetOf, targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import { endSessionsOfRole } from '../tenant/fence.ts'
import { migratorOf } from '../tenant/login-slots.ts'
import { adminSealerOf } from './admin-key.ts'
import { randomPassword } from './names.ts'
import { setPassword } from './role-password.ts'
import { DEFAULT_ITERATIONS } from './scram-verifier.ts'

/** A login of migrations; whoever has it disposes of it, and with that the role is locked again. */
export interface MigrationLogin extends AsyncDisposable {
  /** Where and as whom; what is made there is its database's owner's. */
  readonly target: ConnectionTarget
}

/**
 * Lets the migration role of a provisioned tenant log in, with a new password that nobody keeps, until it is disposed of
 * or `validMs` have passed: should this process end before, the password ends by itself. One at a time for a tenant.
 * @throws {PreconditionFailedError} where the tenant has no such role, or this process no admin key.
 */
export async function openMigrationLogin(
  parts: LifecycleParts,
  tenant: TenantRecord,
  validMs: number,
  actor: string,
): Promise<MigrationLogin> {
  const { registry, sealer } = parts
  const adminSealer = adminSealerOf(parts)
  const role = roleOf(tenant)
  const server = await findServer(registry, tenant.route.server)
  const adminTarget = adminTargetOf(server, adminSealer, registry.id, undefined, sealer)
  const password = randomPassword()
  await registry.commit({ audit: auditEntry(actor, 'tenant.migration_login', tenant.id, { role }) }, [])
  await using admin = await Session.open(adminTarget)
  await refuseMissing(admin, tenant, role)
  const until = new Date(Date.now() + validMs).toISOString()
  await admin.execute(`alter role ${quoteName(role)} valid until ${quoteText(until)}`)
  // People's tools log in with it: some refuse fewer iterations.
  const setting = { ...parts, scramIterations: DEFAULT_ITERATIONS }
  await setPassword(
    { parts: setting, server, password: () => password, admin: () => Promise.resolve(admin) },
    role,
  )
  return {
    target: targetWith(parts, tenant, server, role, password),
    [Symbol.asyncDispose]: async () => {
      await using closing = await Session.open(adminTarget)
      await closing.execute(`alter role ${quoteName(role)} nologin password null`)
      await endSessionsOfRole(closing, role)
    },
  }
}

function targetWith(
  { registry, sealer }: LifecycleParts,
  tenant: TenantRecord,
  server: ServerRecord,
  user: string,
  password: ReturnType<typeof randomPassword>,
): ConnectionTarget {
  return { ...targetOf(tenant, server, sealer, registry.id), user, password }
}

function roleOf({ id, origin, route }: TenantRecord): string {
  if (origin === 'provisioned' && route.slot !== null) return migratorOf(route.role)
  throw new PreconditionFailedError(`Tenant ${id} was registered: its own role makes what migrations make.`)
}

async function refuseMissing(admin: Session, { id }: TenantRecord, role: string): Promise<void> {
  const found = await admin.rows(
    z.object({ name: z.string() }),
    `select r.rolname::text as name from pg_catalog.pg_roles r where r.rolname = ${quoteText(role)}`,
  )
  if (found.length === 0)
    throw new PreconditionFailedError(
      `Tenant ${id} has no migration role: it was made by an earlier version.`,
    )
}

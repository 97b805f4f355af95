import { PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { Operation } from '../operation/operation.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import { findServer } from '../server/server-view.ts'
import { inTurn } from '../server/turn.ts'
import { quoteName } from '../sql-name.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { type TenantView, viewTenant } from '../tenant/tenant-view.ts'
import { unfinished } from './unfinished.ts'

interface Undeletion {
  readonly parts: LifecycleParts
  readonly tenant: TenantRecord
}

const UNDELETE_STEPS = [{ name: 'unlock', run: unlock }]

/**
 * Makes a deleted tenant what it was before, until it is purged: first its roles, then the registry.
 * @throws {TenantUnknownError}; {PreconditionFailedError} where it is not deleted, is being purged, or its roles are
 * locked and this process has no key of the admin.
 */
export async function startUndeletion(
  parts: LifecycleParts,
  id: string,
  actor: string,
): Promise<Started<TenantView>> {
  return inTurn(async () => {
    const tenant = await findTenant(parts.registry, id)
    const { status } = tenant.record
    if (status === 'deleting') {
      throw new PreconditionFailedError(`Tenant ${id} is being purged: it cannot be had back.`)
    }
    if (status !== 'deleted') throw new PreconditionFailedError(`Tenant ${id} is ${status}, not deleted.`)
    const before = await unfinished(parts.registry, tenant.record, 'undelete')
    if (before !== undefined) return resumeUndeletion(parts, before, actor)
    return carryOut(parts, await Operation.begin(parts, { kind: 'undelete', tenant }, actor), tenant.record)
  })
}

/** As `startUndeletion`, to its end. */
export async function undeleteTenant(parts: LifecycleParts, id: string, actor: string): Promise<TenantView> {
  return (await startUndeletion(parts, id, actor)).result
}

export async function resumeUndeletion(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantView>> {
  const { record } = await findTenant(parts.registry, operation.record.tenant ?? '')
  if (record.status !== 'deleted' || record.operation !== operation.id) {
    throw new PreconditionFailedError(`Tenant ${record.id} is not as operation ${operation.id} left it.`)
  }
  return carryOut(parts, await Operation.take(parts, operation, actor), record)
}

function carryOut(parts: LifecycleParts, operation: Operation, tenant: TenantRecord): Started<TenantView> {
  return started(operation, async () => {
    await operation.run(UNDELETE_STEPS, { parts, tenant })
    await operation.keep({ state: 'done', error: null, holder: null }, 'done', { tenant: asBefore })
    const { record, revision } = await findTenant(parts.registry, tenant.id)
    return viewTenant(record, revision)
  })
}

async function unlock({ parts, tenant }: Undeletion): Promise<void> {
  const logins = tenant.deletion?.logins ?? []
  if (logins.length === 0) return
  const server = await findServer(parts.registry, tenant.route.server)
  await using admin = AdminSessions.of(parts, server)
  if (admin === undefined) {
    throw new PreconditionFailedError(
      `The roles of tenant ${tenant.id} are locked, and unlocking them needs TENANTRY_ADMIN_KEY.`,
    )
  }
  await admin.atHome(async (session) => {
    for (const role of logins) await session.execute(`alter role ${quoteName(role)} login`)
  })
  const found = await admin.logins(logins)
  const shut = logins.filter((role) => !found.get(role))
  if (shut.length > 0) throw new PreconditionFailedError(`Role ${shut.join(', ')} still may not log in.`)
}

/** One that was deleted while it was made is half made: `create` goes on with it. */
function asBefore({ id, deletion }: TenantRecord): Partial<TenantRecord> {
  if (deletion === null) throw new PreconditionFailedError(`Tenant ${id} is not deleted.`)
  const { status, statusReason, operation } = deletion
  const wasUnderWay = status === 'provisioning'
  return {
    status: wasUnderWay ? 'failed' : status,
    statusReason: wasUnderWay ? 'deleted while it was made' : statusReason,
    operation,
    deletion: null,
  }
}

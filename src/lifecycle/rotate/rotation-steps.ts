import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { targetOf } from '../../registry/route.ts'
import { proveIdentity } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { shutRole } from '../credentials/shut-role.ts'
import type { Step } from '../operation/operation.ts'
import { now } from '../parts.ts'
import { setPassword } from '../provision/role-password.ts'
import { Session } from '../session.ts'
import { quoteText } from '../sql-name.ts'
import { countSessions } from '../tenant/fence.ts'
import { leftBehind } from './left-behind.ts'
import type { Rotation } from './rotation.ts'
import { switched } from './rotation-plan.ts'
import { refuseOtherRights } from './same-rights.ts'

/** Milliseconds between two looks at who is left on the old login: at first, and at last. */
const FIRST_LOOK_MS = 20
const LAST_LOOK_MS = 1_000

/** What is done where the new login is on record, whatever the operation says of it. */
export const UNTIL_SWITCHED = ['make', 'prove', 'switch']

/** Make before break: until the last step both logins work. */
export const ROTATION_STEPS: readonly Step<Rotation>[] = [
  { name: 'make', run: make },
  { name: 'prove', run: prove },
  { name: 'switch', run: switchOver },
  { name: 'drain', run: drain },
  { name: 'close', run: close },
]

async function make(rotation: Rotation): Promise<void> {
  const { parts, plan, server } = rotation
  const admin = await rotation.admin()
  await activeOnOld(rotation)
  // Whatever is left there from long ago must not come in with the new password's sessions.
  await shutRole(admin, plan.to)
  const setting = { admin: () => rotation.admin(), password: () => rotation.password(), parts, server }
  await setPassword(setting, plan.to)
  // Whoever suspends says so first and locks both logins after: one of us sees the other.
  await activeOnOld(rotation)
}

/** Logs in as routers will. */
async function prove(rotation: Rotation): Promise<void> {
  const { parts, plan, server } = rotation
  const tenant = await activeOnOld(rotation)
  const next = switched(tenant, plan, parts)
  await using session = await Session.readOnly(targetOf(next, server, parts.sealer, parts.registry.id))
  await proveIdentity(session.connection, next)
  await refuseOtherRights(session, plan.from, plan.to)
  rotation.leftBehind = await leftBehind(session, plan.from, plan.to)
}

async function switchOver(rotation: Rotation): Promise<void> {
  const { operation, parts, plan } = rotation
  await activeOnOld(rotation)
  // A suspension locks both logins, and whoever resumes the tenant opens the one on record.
  if (!(await mayLogin(await rotation.admin(), plan.to))) await make(rotation)
  await operation.keep({}, 'switch', {
    detail: { role: plan.to },
    tenant: (present) => {
      const next = switched(present, plan, parts)
      if (next !== present) refuseInactive(present)
      return { epoch: next.epoch, route: next.route }
    },
  })
}

/** Replicas drain their pools as they hear of the new epoch. One that has not heard yet still logs in as before. */
async function drain(rotation: Rotation): Promise<void> {
  const { plan } = rotation
  await delay(plan.waits.hearMs)
  const admin = await rotation.admin()
  const deadline = performance.now() + plan.waits.drainMs
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_LOOK_MS)) {
    const left = await countSessions(admin, `s.usename = ${quoteText(plan.from)}`)
    const leftMs = deadline - performance.now()
    if (left === 0 || leftMs <= 0) return
    await delay(Math.min(pauseMs, leftMs))
  }
}

async function close(rotation: Rotation): Promise<void> {
  const admin = await rotation.admin()
  await rotation.tenantOn('to')
  rotation.sessionsEnded = await shutRole(admin, rotation.plan.from)
}

/** Nothing secret stays in the operation, and the tenant says when it was. */
export function finish({ operation, plan }: Rotation): Promise<void> {
  return operation.done({ data: { ...plan, password: null } }, { tenant: () => ({ rotatedAt: now() }) })
}

/** Where the tenant is not served any more the new login is shut again: the database is its fence. */
async function activeOnOld(rotation: Rotation): Promise<TenantRecord> {
  const tenant = await rotation.tenantOn('from')
  try {
    refuseInactive(tenant)
  } catch (error) {
    await shutRole(await rotation.admin(), rotation.plan.to)
    throw error
  }
  return tenant
}

async function mayLogin(admin: Session, role: string): Promise<boolean> {
  const { may } = await admin.row(
    z.object({ may: z.boolean() }),
    `select r.rolcanlogin as may from pg_catalog.pg_roles r where r.rolname = ${quoteText(role)}`,
  )
  return may
}

function refuseInactive({ id, status }: TenantRecord): void {
  if (status === 'active') return
  throw new PreconditionFailedError(`Tenant ${id} is ${status}: only an active one is rotated.`)
}

import { budgets } from './checks/budgets.ts'
import { clock } from './checks/clock.ts'
import { density } from './checks/density.ts'
import { doors } from './checks/doors.ts'
import { drift } from './checks/drift.ts'
import { identity } from './checks/identity.ts'
import { isolation } from './checks/isolation.ts'
import { keys } from './checks/keys.ts'
import { logins } from './checks/logins.ts'
import { masterKeys } from './checks/master-keys.ts'
import { operations } from './checks/operations.ts'
import { statuses } from './checks/statuses.ts'
import { tls } from './checks/tls.ts'
import { verifiers } from './checks/verifiers.ts'
import { version } from './checks/version.ts'
import type { FleetCheck } from './fleet.ts'
import type { ServerCheck } from './server-look.ts'

/** Left out where one server is asked for: they are about none. */
export const FLEET_CHECKS: readonly FleetCheck[] = [keys, masterKeys]
export const RECORD_CHECKS: readonly FleetCheck[] = [operations, statuses, tls]
/** Those that read what was looked up already come first, those that log in to tenants last. */
export const SERVER_CHECKS: readonly ServerCheck[] = [
  version,
  clock,
  budgets,
  density,
  doors,
  logins,
  verifiers,
  isolation,
  drift,
  identity,
]

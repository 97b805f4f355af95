import type { Scenario } from '../scenario.ts'
import { batchSweep } from './batch-sweep.ts'
import { cold } from './cold.ts'
import { coldChurn } from './cold-churn.ts'
import { crowd } from './crowd.ts'
import { hot } from './hot.ts'
import { hotTenantKeys } from './hot-tenant-keys.ts'
import { LIBRARY } from './library.ts'
import { lowIterations } from './low-iterations.ts'
import { idleConnectionPlain, idleConnectionTls, memory } from './memory.ts'
import { noisyNeighbour } from './noisy-neighbour.ts'
import { oneTenant } from './one-tenant.ts'
import { openingLimits } from './opening-limits.ts'
import { provision, provisionSpare } from './provision.ts'
import { rolesPgbouncer } from './roles-pgbouncer.ts'
import { zipfPgbouncer } from './zipf-pgbouncer.ts'
import { zipfPools } from './zipf-pools.ts'

/** In the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  zipfPools,
  zipfPgbouncer,
  rolesPgbouncer,
  lowIterations,
  hot,
  hotTenantKeys,
  ...LIBRARY,
  oneTenant,
  cold,
  noisyNeighbour,
  coldChurn,
  batchSweep,
  openingLimits,
  provision,
  provisionSpare,
  crowd,
  memory,
  idleConnectionPlain,
  idleConnectionTls,
]

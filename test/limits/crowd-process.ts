import { setTimeout as delay } from 'node:timers/promises'
import type { Plans } from '../../src/limits/plans.ts'
import { openRedis } from '../../src/redis.ts'
import { tenantRecord } from '../registry/records.ts'
import { limiterOver } from './ground.ts'

/** What a process of a crowd does. */
export interface CrowdWork {
  readonly redisUrl: string
  readonly plans: Plans
  readonly replicas: number
  readonly tenants: readonly string[]
  /** Requests per second that this process makes of each tenant. */
  readonly perSecond: number
  readonly leadMs: number
  readonly measureMs: number
}

export interface CrowdResult {
  /** Let in while it was measured, by tenant. */
  readonly admitted: readonly number[]
  readonly fallbacks: number
}

/** Asks for `work` once the parent says go, and tells what was let in. */
async function run(work: CrowdWork): Promise<CrowdResult> {
  const { tenants, perSecond, leadMs, measureMs } = work
  await using redis = await openRedis(work.redisUrl, { deadlineMs: 2_000 })
  await using limiter = limiterOver(redis, { plans: work.plans, replicas: work.replicas })
  process.send?.('ready')
  await new Promise((resolve) => process.once('message', resolve))
  const records = tenants.map((id) => tenantRecord(id))
  const admitted = tenants.map(() => 0)
  const pending = new Set<Promise<void>>()
  const beganAt = performance.now()
  const elapsed = () => performance.now() - beganAt
  for (let asked = 0; elapsed() < leadMs + measureMs; ) {
    for (const due = (elapsed() / 1_000) * perSecond; asked < due; asked++) {
      for (const [at, record] of records.entries()) {
        const one = limiter.enter(record).then((admission) => {
          if (!admission.isAdmitted) return
          admission.passage[Symbol.dispose]()
          const now = elapsed()
          if (now >= leadMs && now < leadMs + measureMs) admitted[at] = (admitted[at] ?? 0) + 1
        })
        pending.add(one)
        void one.finally(() => pending.delete(one))
      }
    }
    await delay(2)
  }
  await Promise.all(pending)
  return { admitted, fallbacks: limiter.stats().fallbacks }
}

// A parent that is gone says nothing any more.
process.once('disconnect', () => process.exit(1))
process.once('message', (work) => {
  // What a crowd sends it.
  void run(work as CrowdWork).then((result) => process.send?.(result))
})

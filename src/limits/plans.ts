import { z } from 'zod'
import { RequestLimits, type TenantRecord } from '../tenant/tenant-record.ts'
import { type Rate, rateOf, WINDOW_SECONDS } from './rate.ts'

const DEFAULT_WINDOW_SECONDS = 10
/** A tenant's plan is the value of this label. */
const PLAN_LABEL = 'plan'

/** What is left out is not limited. */
export const Plan = RequestLimits.extend({
  /** A minute's requests are held in equal shares over any so many seconds, so that a tenant that has used up its share waits no longer than that. */
  windowSeconds: z.literal(WINDOW_SECONDS).default(DEFAULT_WINDOW_SECONDS),
})

export const Plans = z.strictObject({
  /** Of tenants without a plan, or with one that is not among `plans`. */
  default: Plan.prefault({}),
  /** By the value of the tenant's label `plan`. */
  plans: z.record(z.string().min(1).max(128), Plan).default({}),
})
/** What each plan allows, and what holds for tenants of none. */
export type Plans = z.input<typeof Plans>
export type ResolvedPlans = z.output<typeof Plans>

/** What a tenant may do at this moment. Null: as much as it likes. */
export interface Allowance {
  /** Null where the default holds. */
  readonly plan: string | null
  readonly rate: Rate | null
  /** Requests under way at once. */
  readonly concurrency: number | null
  /** Until when an override holds; null where none does. */
  readonly overrideUntil: string | null
}

export type LimitedRecord = Pick<TenantRecord, 'labels' | 'limits' | 'requestLimits' | 'limitsOverride'>

/** An override goes before the tenant's own limits, and those before its plan's. @param now wall clock, ms. */
export function allowanceOf(record: LimitedRecord, plans: ResolvedPlans, now: number): Allowance {
  const label = record.labels[PLAN_LABEL]
  const named = label === undefined || !Object.hasOwn(plans.plans, label) ? undefined : plans.plans[label]
  const plan = named ?? plans.default
  const { requestLimits: own, limitsOverride } = record
  const override = limitsOverride && now < Date.parse(limitsOverride.until) ? limitsOverride : undefined
  const requestsPerMinute =
    override?.requestsPerMinute ?? own?.requestsPerMinute ?? earlier(record) ?? plan.requestsPerMinute
  return {
    plan: named === undefined ? null : (label ?? null),
    rate: requestsPerMinute === undefined ? null : rateOf(requestsPerMinute, plan.windowSeconds),
    concurrency: override?.concurrency ?? own?.concurrency ?? plan.concurrency ?? null,
    overrideUntil: override?.until ?? null,
  }
}

function earlier({ limits: { requestsPerSecond } }: LimitedRecord): number | undefined {
  return requestsPerSecond === undefined ? undefined : Math.max(1, Math.round(requestsPerSecond * 60))
}

import { z } from 'zod'
import { InvalidRequestError, TenantDeletedError, TenantryError } from '../../errors.ts'
import { adminTargetOf } from '../../registry/route.ts'
import {
  Labels,
  LimitsOverride,
  RequestLimits,
  TenantLimits,
  type TenantRecord,
} from '../../tenant/tenant-record.ts'
import { isDeleted } from '../../tenant/tenant-status.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { connectionLimitFor, limitRole } from '../provision/role-settings.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { decideTenant, findTenant } from './change-tenant.ts'
import { slotsOf } from './login-slots.ts'
import { type TenantView, viewTenant } from './tenant-view.ts'

const { maxConnections, statementTimeoutMs, maxResultBytes, requestsPerSecond, weight } = TenantLimits.shape
const { requestsPerMinute, concurrency } = RequestLimits.shape

/** Null takes a limit away (the router's own then holds, or the plan's), a label, or the override; what is not named stays. */
export const SetTenant = z.strictObject({
  limits: z
    .strictObject({
      maxConnections: maxConnections.nullable(),
      statementTimeoutMs: statementTimeoutMs.nullable(),
      maxResultBytes: maxResultBytes.nullable(),
      requestsPerSecond: requestsPerSecond.nullable(),
      weight: weight.unwrap().nullable().optional(),
      requestsPerMinute: requestsPerMinute.nullable(),
      concurrency: concurrency.nullable(),
    })
    .default({}),
  /** Goes before plan and limits until its time. */
  override: LimitsOverride.refine(
    (given) => given.requestsPerMinute !== undefined || given.concurrency !== undefined,
    'must name requestsPerMinute, concurrency or both',
  )
    .nullable()
    .optional(),
  labels: z.record(Labels.keyType, Labels.valueType.nullable()).default({}),
})
export type SetTenant = z.input<typeof SetTenant>

export interface FieldChange {
  /** As `limits.maxConnections` or `labels.plan`. */
  readonly field: string
  readonly from: string | number | null
  readonly to: string | number | null
}

export interface TenantSet {
  readonly tenant: TenantView
  /** What is other than it was; empty where all of it was so already. */
  readonly changes: readonly FieldChange[]
  /** What the database does not allow for yet, in words; null where nothing. */
  readonly caveat: string | null
}

/**
 * Changes limits and labels of a tenant; routers have them as soon as the record has reached them.
 * @throws {InvalidRequestError} where nothing is named. {TenantUnknownError | TenantDeletedError}
 */
export async function setTenant(
  parts: LifecycleParts,
  id: string,
  input: SetTenant,
  actor: string,
): Promise<TenantSet> {
  const wanted = SetTenant.parse(input)
  const named = [...Object.values(wanted.limits), ...Object.values(wanted.labels), wanted.override]
  if (named.every((value) => value === undefined)) {
    throw new InvalidRequestError(
      'Nothing to change is named: give limits, an override, labels or several of them.',
    )
  }
  refuseContradictions(wanted)
  let changes: readonly FieldChange[] = []
  const { record, revision } = await decideTenant(parts.registry, id, ({ record: before }) => {
    if (isDeleted(before)) {
      throw new TenantDeletedError(`tenant ${id} is ${before.status}`)
    }
    const { limits, requestLimits } = limitsAfter(before, wanted.limits)
    const override = wanted.override && LimitsOverride.parse(merged({}, wanted.override))
    const limitsOverride = override === undefined ? before.limitsOverride : override
    const labels = Labels.parse(merged(before.labels, wanted.labels))
    changes = [
      ...differences(
        'limits',
        { ...before.limits, ...before.requestLimits },
        { ...limits, ...requestLimits },
      ),
      ...differences('override', before.limitsOverride ?? {}, limitsOverride ?? {}),
      ...differences('labels', before.labels, labels),
    ]
    if (changes.length === 0) return null
    const detail = Object.fromEntries(changes.map(({ field, from, to }) => [field, `${from} → ${to}`]))
    const change = {
      limits,
      labels,
      ...(Object.keys(requestLimits).length > 0 || before.requestLimits ? { requestLimits } : {}),
      ...(limitsOverride === undefined ? {} : { limitsOverride }),
    }
    return { change, audit: auditEntry(actor, 'tenant.set', id, detail) }
  })
  // Also where it was so already: the last time may have stopped in between.
  const isCapped = wanted.limits.maxConnections !== undefined && record.origin === 'provisioned'
  const caveat = isCapped ? await limitLogins(parts, record) : null
  return { tenant: viewTenant(record, revision), changes, caveat }
}

/** @throws {InvalidRequestError} */
function refuseContradictions({ limits, override }: z.output<typeof SetTenant>): void {
  if (typeof limits.requestsPerMinute === 'number' && typeof limits.requestsPerSecond === 'number')
    throw new InvalidRequestError(
      'requestsPerMinute and requestsPerSecond say the same in two ways: give one.',
    )
  if (override && Date.parse(override.until) <= Date.now())
    throw new InvalidRequestError('override.until: must be in the future')
}

/** Of the two ways to write a rate, one that is named takes the other's place. */
function limitsAfter(before: TenantRecord, wanted: z.output<typeof SetTenant>['limits']) {
  const { requestsPerMinute, concurrency, ...others } = wanted
  const { requestsPerSecond } = others
  const perSecond = requestsPerSecond ?? (requestsPerMinute === undefined ? requestsPerSecond : null)
  const perMinute = requestsPerMinute ?? (requestsPerSecond === undefined ? requestsPerMinute : null)
  return {
    limits: TenantLimits.parse(merged(before.limits, { ...others, requestsPerSecond: perSecond })),
    requestLimits: RequestLimits.parse(
      merged(before.requestLimits ?? {}, { requestsPerMinute: perMinute, concurrency }),
    ),
  }
}

/** The roles of a tenant that we made have a CONNECTION LIMIT above its own, which follows that. */
async function limitLogins(
  { registry, sealer, adminSealer, maxConnectionsPerTenant }: LifecycleParts,
  { id, limits, route }: TenantRecord,
): Promise<string | null> {
  const caveat = (why: string) =>
    `The CONNECTION LIMIT of its roles is still that of before (${why}): set the limit again to change it.`
  if (adminSealer === undefined) return caveat('this process has no TENANTRY_ADMIN_KEY')
  try {
    const server = await findServer(registry, route.server)
    await using admin = await Session.open(adminTargetOf(server, adminSealer, registry.id, undefined, sealer))
    for (let wanted = limits; ; ) {
      const limit = connectionLimitFor(wanted, server.budget, maxConnectionsPerTenant)
      for (const role of slotsOf(route)) await limitRole(admin, role, limit, {})
      // Whoever set another since may have been here before us.
      const { record } = await findTenant(registry, id)
      if (record.limits.maxConnections === wanted.maxConnections) return null
      wanted = record.limits
    }
  } catch (error) {
    if (error instanceof TenantryError) return caveat(error.code)
    throw error
  }
}

type Values = TenantRecord['labels'] | TenantRecord['limits'] | RequestLimits

function merged(before: Values, wanted: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = Object.entries({ ...before, ...definedIn(wanted) })
  return Object.fromEntries(kept.filter(([, value]) => value !== null))
}

function definedIn(wanted: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
}

function differences(group: string, before: Values, after: Values): FieldChange[] {
  const [was, is] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  return [...new Set([...was.keys(), ...is.keys()])].toSorted().flatMap((name) => {
    const [from = null, to = null] = [was.get(name), is.get(name)]
    return from === to ? [] : [{ field: `${group}.${name}`, from, to }]
  })
}

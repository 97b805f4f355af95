import { setTimeout as delay } from 'node:timers/promises'
import { PreconditionFailedError, RevisionConflictError, TenantryError } from '../../errors.ts'
import { unfinished } from '../delete/unfinished.ts'
import type { Operation } from '../operation/operation.ts'
import { isHeld } from '../operation/operation-hold.ts'
import type { LifecycleParts } from '../parts.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { rotateTenant } from './rotate-tenant.ts'
import type { TenantRotated } from './tenant-rotated.ts'

/** Milliseconds between two looks at a rotation of one of the tenants that another process is at. */
const LOOK_EVERY_MS = 500

/** What became of one tenant of many. */
export type RotationOutcome =
  | { readonly tenant: string; readonly outcome: 'done'; readonly result: Omit<TenantRotated, 'tenant'> }
  /** Rotated since the operation began, by an earlier run of it or by somebody else. */
  | { readonly tenant: string; readonly outcome: 'there' }
  | { readonly tenant: string; readonly outcome: 'failed'; readonly code: string; readonly error: string }
  /** Selected and not named: its login is its owner's to change. */
  | { readonly tenant: string; readonly outcome: 'registered' }
  /** After one that failed. */
  | { readonly tenant: string; readonly outcome: 'not_begun' }
  /** In a dry run. */
  | { readonly tenant: string; readonly outcome: 'selected' }

interface Given {
  readonly parts: LifecycleParts
  readonly operation: Operation
  readonly actor: string
  readonly concurrency: number
  readonly continueOnError: boolean
  readonly hearMs: number
  readonly drainMs: number
  readonly told: (outcome: RotationOutcome) => void
}

/** One run of a rotation of many tenants. */
export class FleetRotation {
  readonly operation: Operation
  readonly concurrency: number
  readonly #given: Given
  #rotated = 0
  #hasFailed = false

  constructor(given: Given) {
    this.#given = given
    this.operation = given.operation
    this.concurrency = given.concurrency
  }

  /** @param total how many tenants there are, for the progress. */
  async rotate(tenant: string, total: number): Promise<RotationOutcome> {
    const { continueOnError, told } = this.#given
    if (this.#hasFailed && !continueOnError) return { tenant, outcome: 'not_begun' }
    const outcome = await this.#outcomeOf(tenant)
    if (outcome.outcome === 'failed') this.#hasFailed = true
    else this.#rotated += 1
    told(outcome)
    await this.operation.keep({ progress: { done: this.#rotated, total } }, 'progress')
    return outcome
  }

  async #outcomeOf(tenant: string): Promise<RotationOutcome> {
    try {
      return await this.#rotateOnce(tenant)
    } catch (error) {
      if (!(error instanceof TenantryError)) throw error
      return { tenant, outcome: 'failed', code: error.code, error: error.message }
    }
  }

  /** A rotation of this tenant that another process is at is as good as ours once it is over. */
  async #rotateOnce(id: string): Promise<RotationOutcome> {
    const { parts, actor, hearMs, drainMs } = this.#given
    for (;;) {
      if (await this.#isRotated(id)) return { tenant: id, outcome: 'there' }
      if (!(await this.#isElsewhere(id))) {
        try {
          const { tenant: _, ...result } = await rotateTenant(parts, id, { hearMs, drainMs }, actor)
          return { tenant: id, outcome: 'done', result }
        } catch (error) {
          if (!(await this.#isOvertaken(id, error))) throw error
        }
      }
      await delay(LOOK_EVERY_MS)
    }
  }

  /** Another process may have been the first since we looked, and may be through with it by now. */
  async #isOvertaken(id: string, error: unknown): Promise<boolean> {
    if (error instanceof RevisionConflictError) return true
    if (!(error instanceof PreconditionFailedError)) return false
    return (await this.#isElsewhere(id)) || (await this.#isRotated(id))
  }

  /** Since the operation began. */
  async #isRotated(id: string): Promise<boolean> {
    const { record } = await findTenant(this.#given.parts.registry, id)
    return Date.parse(record.rotatedAt ?? '') >= Date.parse(this.operation.record.startedAt)
  }

  async #isElsewhere(id: string): Promise<boolean> {
    const { registry, isAlone } = this.#given.parts
    const { record } = await findTenant(registry, id)
    const other = isAlone ? undefined : await unfinished(registry, record, 'rotate')
    return other !== undefined && isHeld(other.record)
  }
}

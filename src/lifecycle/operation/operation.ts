import { isDeepStrictEqual } from 'node:util'
import {
  PreconditionFailedError,
  RegistryUnavailableError,
  RevisionConflictError,
  SqlError,
  TenantryError,
} from '../../errors.ts'
import type { OperationRecord } from '../../registry/operation-record.ts'
import type { AuditEntry, Commit, Entry, Expectation, Put } from '../../registry/registry.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { findTenant } from '../tenant/change-tenant.ts'
import { type Beginning, newRecord } from './beginning.ts'
import { holder, holdMs, isHeld, refuseDeleted, refuseHeld, underWay } from './operation-hold.ts'
import { type OperationView, viewOperation } from './operation-view.ts'

const RENEWALS_IN_HOLD = 3
/** Of a commit that somebody else's change of the tenant gets in the way of. */
const ATTEMPTS = 10

export interface Step<Context> {
  readonly name: string
  /** May run again after it ran in part or whole: a process can end at any point. */
  run(context: Context): Promise<void>
}

/** What is to be committed with a change of the operation. */
export interface Also {
  /** Changes the tenant, decided anew where somebody else changed it meanwhile. */
  readonly tenant?: (present: TenantRecord) => Partial<TenantRecord>
  readonly puts?: readonly Put[]
  readonly removes?: Commit['removes']
  readonly expectations?: readonly Expectation[]
  readonly detail?: AuditEntry['detail']
}

/**
 * An operation that this process is at. Invariants: a tenant has at most one that runs, named in its record; every
 * change is made on the revision that this process wrote last, so where another went on with it, this one's next
 * change throws and nothing of it is kept.
 */
export class Operation implements AsyncDisposable {
  readonly #parts: LifecycleParts
  readonly #actor: string
  #record: OperationRecord
  #revision: number
  /** What may be on record, since no answer came. */
  #unsure: OperationRecord | undefined
  /** Changes go out one after another. */
  #last: Promise<unknown> = Promise.resolve()
  readonly #renewal: NodeJS.Timeout

  private constructor(parts: LifecycleParts, record: OperationRecord, revision: number, actor: string) {
    this.#parts = parts
    this.#record = record
    this.#revision = revision
    this.#actor = actor
    this.#renewal = setInterval(() => this.#renew(), holdMs(parts) / RENEWALS_IN_HOLD)
    parts.onProgress?.(this.view)
  }

  /**
   * @throws {PreconditionFailedError} where another operation has the tenant; {TenantDeletedError}.
   * @throws {RevisionConflictError} where something changed since it was read.
   */
  static async begin(
    parts: LifecycleParts,
    beginning: Beginning,
    actor: string,
    also: Omit<Also, 'tenant'> = {},
  ): Promise<Operation> {
    const { tenant } = beginning
    if (tenant) {
      refuseDeleted(beginning.kind, tenant.record)
      await refuseHeld(parts, tenant.record)
    }
    const record = newRecord(beginning, parts, actor)
    const change = { ...beginning.change, operation: record.id, updatedAt: record.startedAt }
    const held = tenant && { ...tenant.record, ...change }
    const detail = { operation: record.id, ...beginning.detail }
    const audit = auditEntry(actor, `${subjectOf(record)}.${record.kind}`, held?.id ?? record.id, detail)
    const [revision = 0] = await parts.registry.commit(
      {
        puts: [
          { kind: 'operation', id: record.id, record },
          ...(held ? [{ kind: 'tenant' as const, id: held.id, record: held }] : []),
          ...(also.puts ?? []),
        ],
        removes: also.removes ?? [],
        audit,
      },
      [
        { kind: 'operation', id: record.id, revision: 0 },
        ...(tenant ? [{ kind: 'tenant' as const, id: tenant.id, revision: tenant.revision }] : []),
        ...(also.expectations ?? []),
      ],
    )
    return new Operation(parts, record, revision, actor)
  }

  /**
   * Goes on with one that failed, or whose process is gone.
   * @throws {PreconditionFailedError} where it is done, or another is at it, or another operation has the tenant;
   * {TenantDeletedError}.
   */
  static async take(
    parts: LifecycleParts,
    { record: found, revision: at, id }: Entry<'operation'>,
    actor: string,
    change: { readonly operation?: Partial<OperationRecord>; readonly tenant?: Partial<TenantRecord> } = {},
  ): Promise<Operation> {
    if (found.state === 'done') throw new PreconditionFailedError(`Operation ${id} (${found.kind}) is done.`)
    if (isHeld(found) && !parts.isAlone) throw underWay(found)
    const held = { state: 'running' as const, error: null, holder: holder(parts), updatedAt: now() }
    const record = { ...found, ...change.operation, ...held }
    const puts: Put[] = [{ kind: 'operation', id, record }]
    const expectations: Expectation[] = [{ kind: 'operation', id, revision: at }]
    if (found.tenant !== null) {
      const tenant = await findTenant(parts.registry, found.tenant)
      refuseDeleted(found.kind, tenant.record)
      if (tenant.record.operation !== id) await refuseHeld(parts, tenant.record)
      puts.push({
        kind: 'tenant',
        id: tenant.id,
        record: { ...tenant.record, ...change.tenant, operation: id },
      })
      expectations.push({ kind: 'tenant', id: tenant.id, revision: tenant.revision })
    }
    const action = `${subjectOf(found)}.${found.kind}.resume`
    const audit = auditEntry(actor, action, found.tenant ?? id, { operation: id })
    const [revision = 0] = await parts.registry.commit({ puts, audit }, expectations)
    return new Operation(parts, record, revision, actor)
  }

  get record(): OperationRecord {
    return this.#record
  }

  get view(): OperationView {
    return viewOperation(this.#record)
  }

  /**
   * Those steps that are not done yet, in order.
   * @throws what a step throws; {PreconditionFailedError} that names the step where Postgres refused a statement.
   */
  async run<Context>(steps: readonly Step<Context>[], context: Context): Promise<void> {
    for (const step of steps) {
      const { name } = step
      if (this.#record.stepsDone.includes(name)) continue
      try {
        await step.run(context)
      } catch (error) {
        if (!(error instanceof SqlError)) throw error
        throw new PreconditionFailedError(`${this.#record.kind} stopped at step ${name}: ${error.message}`)
      }
      await this.noteStep(name)
    }
  }

  async noteStep(name: string, change: Partial<OperationRecord> = {}, also: Also = {}): Promise<void> {
    const { tenant, id } = this.#record
    await this.#parts.onStep?.({ tenant: tenant ?? id, name })
    const stepsDone = [...this.#record.stepsDone, name]
    await this.keep({ ...change, stepsDone }, 'step', { ...also, detail: { step: name, ...also.detail } })
  }

  done(change: Partial<OperationRecord> = {}, also: Also = {}): Promise<void> {
    const over = { ...change, state: 'done' as const, error: null, holder: null }
    const { tenant } = also
    const free = (present: TenantRecord) => ({ ...tenant?.(present), operation: null })
    return this.keep(over, 'done', { ...also, tenant: free })
  }

  /** For the operator to read, and for the next to go on from. Never throws for want of the registry. */
  async fail(cause: unknown, also: Also = {}): Promise<void> {
    const error = cause instanceof TenantryError ? cause.message.slice(0, 500) : 'an unexpected error'
    try {
      await this.keep({ state: 'failed', error, holder: null }, 'failed', also)
    } catch (second) {
      // Somebody else goes on with it, or the registry is away: what is kept already is enough to resume.
      if (!(second instanceof TenantryError)) throw second
    }
  }

  /**
   * @param what for the audit.
   * @throws {PreconditionFailedError} where another process went on with the operation.
   */
  keep(change: Partial<OperationRecord>, what: string, also: Also = {}): Promise<void> {
    const kept = this.#last.then(() => this.#commit(change, what, also))
    this.#last = kept.catch(() => undefined)
    return kept
  }

  /** Where no change did for a while. */
  #renew(): void {
    const isOld = Date.now() - Date.parse(this.#record.updatedAt) >= holdMs(this.#parts) / RENEWALS_IN_HOLD
    if (!isOld || this.#record.state !== 'running') return
    const renewed = this.#last.then(async () => {
      // What it waited for may have been the end of it.
      if (this.#record.state === 'running') await this.#commit({}, 'renew', {})
    })
    this.#last = renewed.catch(() => undefined) // the next change says what is wrong
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewal)
    await this.#last
  }

  async #commit(change: Partial<OperationRecord>, what: string, also: Also): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const tenant = also.tenant && (await this.#heldTenant())
      const record = { ...this.#record, holder: holder(this.#parts), ...change, updatedAt: now() }
      const { kind, id } = record
      const action = `${subjectOf(record)}.${kind}.${what}`
      const puts: Put[] = [{ kind: 'operation', id, record }]
      const expectations: Expectation[] = [{ kind: 'operation', id, revision: this.#revision }]
      if (tenant) {
        const changed = { ...tenant.record, ...also.tenant?.(tenant.record), updatedAt: now() }
        puts.push({ kind: 'tenant', id: tenant.id, record: changed })
        expectations.push({ kind: 'tenant', id: tenant.id, revision: tenant.revision })
      }
      try {
        const audit = auditEntry(this.#actor, action, record.tenant ?? id, { operation: id, ...also.detail })
        const [revision = 0] = await this.#parts.registry.commit(
          { puts: [...puts, ...(also.puts ?? [])], removes: also.removes ?? [], audit },
          [...expectations, ...(also.expectations ?? [])],
        )
        this.#record = record
        this.#revision = revision
        this.#parts.onProgress?.(this.view)
        return
      } catch (error) {
        if (error instanceof RegistryUnavailableError) this.#unsure = record
        if (!(error instanceof RevisionConflictError)) throw error
        if (await this.#isOvertakenByItself()) continue
        const present = tenant && (await findTenant(this.#parts.registry, tenant.id))
        if (present?.revision === tenant?.revision || attempt === ATTEMPTS) throw error
      }
    }
  }

  async #heldTenant(): Promise<Entry<'tenant'> | undefined> {
    const { tenant, id } = this.#record
    if (tenant === null) return undefined
    const entry = await findTenant(this.#parts.registry, tenant)
    if (entry.record.operation !== id) throw this.#overtaken()
    return entry
  }

  /**
   * Whether what is on record is its own last change, of which it had no answer.
   * @throws {PreconditionFailedError} where it is somebody else's, or was the end.
   */
  async #isOvertakenByItself(): Promise<boolean> {
    const present = await this.#parts.registry.find('operation', this.#record.id)
    if (present?.revision === this.#revision) return false
    if (present === undefined || !isDeepStrictEqual(present.record, this.#unsure)) throw this.#overtaken()
    this.#record = present.record
    this.#revision = present.revision
    if (present.record.state !== 'running') throw this.#overtaken()
    return true
  }

  #overtaken(): PreconditionFailedError {
    const { id, kind } = this.#record
    return new PreconditionFailedError(`Somebody else went on with operation ${id} (${kind}) meanwhile.`)
  }
}

/** What an audit entry begins with. */
function subjectOf({ tenant }: OperationRecord): 'tenant' | 'fleet' {
  return tenant === null ? 'fleet' : 'tenant'
}

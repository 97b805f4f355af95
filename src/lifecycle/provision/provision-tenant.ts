import {
  InternalError,
  PreconditionFailedError,
  RevisionConflictError,
  SqlError,
  TenantryError,
} from '../../errors.ts'
import type { OperationRecord } from '../../registry/operation-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { inTurn, turnOn } from '../server/turn.ts'
import { type TenantView, viewTenant } from '../tenant/tenant-view.ts'
import { CreateTenant } from './create-tenant.ts'
import { closeDatabase, createDatabase, openDatabase } from './database.ts'
import { furnish } from './furnish.ts'
import { type Proof, proveLogin } from './prove-login.ts'
import type { Provisioning } from './provisioning.ts'
import { type Reserved, reserve } from './reserve.ts'
import { createRoles } from './roles.ts'
import { applySchema, refuseTransactionsIn } from './schema.ts'

export interface TenantCreated {
  readonly tenant: TenantView
  /** False where the tenant was there and nothing was done. */
  readonly created: boolean
}

interface Step {
  readonly name: string
  run(provisioning: Provisioning): Promise<void>
}

/** Each may run again after it ran in part or whole: a process can end at any point. */
const STEPS: readonly Step[] = [
  { name: 'roles', run: createRoles },
  { name: 'database', run: createDatabase },
  { name: 'close', run: closeDatabase },
  { name: 'open', run: openDatabase },
  { name: 'furnish', run: furnish },
  { name: 'schema', run: applySchema },
]

/**
 * Makes a tenant: database, roles, grants, stamp, first tables. A saga kept in the registry: called again
 * for a tenant that is half made, it goes on where it stopped (with another schema text, as long as none has run);
 * for one that is made, it changes nothing.
 * @throws {InvalidRequestError | InvalidTenantIdError | AlreadyExistsError | PreconditionFailedError | ServerUnavailableError}
 */
export async function provisionTenant(
  parts: LifecycleParts,
  input: CreateTenant,
  actor: string,
): Promise<TenantCreated> {
  const wanted = CreateTenant.parse(input)
  if (wanted.schema !== undefined) refuseTransactionsIn(wanted.schema)
  const reserved = await reserve(parts, wanted, actor)
  if (reserved === 'there') {
    const entry = await parts.registry.find('tenant', wanted.id)
    if (entry === undefined) throw new InternalError(`tenant ${wanted.id} went away`)
    return { tenant: viewTenant(entry.record, entry.revision), created: false }
  }
  const saga = new Saga(parts, reserved, actor)
  try {
    await using provisioning = reserved.provisioning
    for (const step of STEPS) await saga.run(step, provisioning)
    const tenant = await inTurn(async () => saga.finish(await proveLogin(provisioning, actor)))
    return { tenant, created: true }
  } catch (error) {
    await saga.fail(error)
    throw error
  }
}

/** The tenant and its operation, as this process last wrote them: whoever wrote since is left alone. */
class Saga {
  readonly #parts: LifecycleParts
  readonly #actor: string
  #tenant: TenantRecord
  #tenantRevision: number
  #operation: OperationRecord
  #operationRevision: number

  constructor(parts: LifecycleParts, reserved: Reserved, actor: string) {
    this.#parts = parts
    this.#actor = actor
    this.#tenant = reserved.tenant.record
    this.#tenantRevision = reserved.tenant.revision
    this.#operation = reserved.operation.record
    this.#operationRevision = reserved.operation.revision
  }

  async run(step: Step, provisioning: Provisioning): Promise<void> {
    if (this.#operation.stepsDone.includes(step.name)) return
    try {
      await step.run(provisioning)
    } catch (error) {
      if (!(error instanceof SqlError)) throw error
      const where = `Provisioning stopped at step ${step.name}`
      throw new PreconditionFailedError(`${where}: ${error.message}`)
    }
    await this.#parts.onStep?.({ tenant: this.#tenant.id, name: step.name })
    await this.#keep(this.#tenant, { stepsDone: [...this.#operation.stepsDone, step.name] }, 'step')
  }

  /** @throws {RevisionConflictError} where somebody else committed on the cluster since the proof. */
  async finish({ isolation, servers }: Proof): Promise<TenantView> {
    const tenant = {
      ...this.#tenant,
      status: 'active' as const,
      statusReason: null,
      isolation,
      updatedAt: now(),
    }
    try {
      await this.#keep(tenant, { state: 'done', error: null }, 'done', turnOn(servers))
    } catch (error) {
      if (error instanceof RevisionConflictError) await this.#refuseOvertaken()
      throw error
    }
    return viewTenant(this.#tenant, this.#tenantRevision)
  }

  /** For the operator to read, and for the next run to go on from. */
  async fail(error: unknown): Promise<void> {
    const reason = error instanceof TenantryError ? error.message.slice(0, 500) : 'an unexpected error'
    const tenant = { ...this.#tenant, status: 'failed' as const, statusReason: reason, updatedAt: now() }
    try {
      await this.#keep(tenant, { state: 'failed', error: reason }, 'failed')
    } catch (second) {
      // Somebody else goes on with it, or the registry is away: what is kept already is enough to resume.
      if (!(second instanceof TenantryError)) throw second
    }
  }

  async #refuseOvertaken(): Promise<void> {
    const { id } = this.#tenant
    const entry = await this.#parts.registry.find('tenant', id)
    if (entry?.revision === this.#tenantRevision) return
    throw new PreconditionFailedError(`Somebody else went on with tenant ${id} meanwhile.`)
  }

  async #keep(
    tenant: TenantRecord,
    change: Partial<OperationRecord>,
    what: string,
    turn: ReturnType<typeof turnOn> = turnOn([]),
  ): Promise<void> {
    const operation = { ...this.#operation, ...change, updatedAt: now() }
    const { id } = tenant
    const revisions = await this.#parts.registry.commit(
      {
        puts: [
          { kind: 'tenant', id, record: tenant },
          { kind: 'operation', id: operation.id, record: operation },
          ...turn.puts,
        ],
        audit: auditEntry(this.#actor, `tenant.provision.${what}`, id, {
          step: change.stepsDone?.at(-1) ?? null,
        }),
      },
      [
        { kind: 'tenant', id, revision: this.#tenantRevision },
        { kind: 'operation', id: operation.id, revision: this.#operationRevision },
        ...turn.expectations,
      ],
    )
    const [tenantRevision, operationRevision] = revisions
    if (tenantRevision === undefined || operationRevision === undefined) {
      throw new RevisionConflictError('the registry answered without revisions')
    }
    this.#tenant = tenant
    this.#tenantRevision = tenantRevision
    this.#operation = operation
    this.#operationRevision = operationRevision
  }
}

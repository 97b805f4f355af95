import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { PreconditionFailedError } from '../../../errors.ts'
import type { Entry, Put } from '../../../registry/registry.ts'
import type { Sealer } from '../../../registry/sealing.ts'
import { ServerId, type ServerRecord, Spare, Spares, TemplateName } from '../../../registry/server-record.ts'
import { Operation } from '../../operation/operation.ts'
import { isHeld, underWay } from '../../operation/operation-hold.ts'
import { type Started, started } from '../../operation/started.ts'
import { type LifecycleParts, now } from '../../parts.ts'
import { findServerEntry } from '../../server/server-view.ts'
import { inTurn, turnOn } from '../../server/turn.ts'
import { adminSealerOf } from '../admin-key.ts'
import { Making, MakingPlan } from '../making.ts'
import { chooseNames } from '../names.ts'
import { templateOn } from '../place-tenant.ts'
import { dropSpare, furnishSpare } from './spare-database.ts'

export const KeepSpares = z.strictObject({
  /** How many are to be ready. */
  count: z.int().min(0).max(1000),
  /** What they are copied from. Default: they are empty. */
  template: TemplateName.optional(),
})
export type KeepSpares = z.input<typeof KeepSpares>

export interface SparesKept {
  readonly server: string
  readonly count: number
  readonly template: string | null
  readonly ready: number
  /** In this run. */
  readonly made: number
  readonly dropped: number
}

const SpareData = z.strictObject({
  server: ServerId,
  made: z.int(),
  dropped: z.int(),
  /** The one that is at hand, named here before anything of it is there, and as long as something of it may be. */
  making: MakingPlan.nullable(),
  dropping: Spare.nullable(),
})
type SpareData = z.output<typeof SpareData>

const RETRY_AFTER_MS = 60_000

const NONE: Spares = { count: 0, template: null, ready: [], operation: null }

/**
 * Says how many spare databases a server is to have, and makes or drops what differs from that.
 * @throws {ServerUnknownError | PreconditionFailedError | ServerUnavailableError}
 */
export async function startSpares(
  parts: LifecycleParts,
  id: string,
  input: KeepSpares,
  actor: string,
): Promise<Started<SparesKept>> {
  const { count, template = null } = KeepSpares.parse(input)
  return inTurn(async () => {
    const server = await findServerEntry(parts.registry, id)
    if (server.record.admin === null)
      throw new PreconditionFailedError(`Server ${id} has no admin login: add it again with one.`)
    if (template !== null && templateOn(server.record, template) === undefined)
      throw new PreconditionFailedError(`Server ${id} has no template ${template}.`)
    return begin(parts, server, { count, template }, actor)
  })
}

/**
 * Makes what is missing of what was said before.
 * @param isStopping ends it early, after the one that is at hand.
 * @returns undefined where nothing is missing, somebody is at it, or it failed less than a minute ago.
 */
export async function refillSpares(
  parts: LifecycleParts,
  server: Entry<'server'>,
  actor: string,
  isStopping: () => boolean,
): Promise<Started<SparesKept> | undefined> {
  const { spares } = server.record
  if (spares === undefined || server.record.draining || nextOf(spares) === undefined) return undefined
  const last = await lastOf(parts, spares)
  if (last?.record.state === 'running') return undefined // recovery goes on with it, where its process is gone
  if (last?.record.state !== 'failed') return begin(parts, server, spares, actor, isStopping)
  if (Date.now() - Date.parse(last.record.updatedAt) < RETRY_AFTER_MS) return undefined
  // The same one: where a server is away for long, every try would else be an operation on record.
  const adminSealer = adminSealerOf(parts)
  return carryOut(parts, adminSealer, await Operation.take(parts, last, actor), isStopping)
}

export async function resumeSpares(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
): Promise<Started<SparesKept>> {
  const adminSealer = adminSealerOf(parts)
  return carryOut(parts, adminSealer, await Operation.take(parts, entry, actor))
}

async function begin(
  parts: LifecycleParts,
  server: Entry<'server'>,
  { count, template }: Pick<Spares, 'count' | 'template'>,
  actor: string,
  isStopping = () => false,
): Promise<Started<SparesKept>> {
  const adminSealer = adminSealerOf(parts)
  const before = server.record.spares ?? NONE
  const last = await lastOf(parts, before)
  if (last?.record.state === 'running' && isHeld(last.record)) throw underWay(last.record)
  const left = last && last.record.state !== 'done' ? SpareData.parse(last.record.data) : undefined
  const operation = randomUUID()
  const data: SpareData = {
    server: server.id,
    made: 0,
    dropped: 0,
    // What an earlier run left half done is this one's to end.
    making: left?.making ?? null,
    dropping: left?.dropping ?? null,
  }
  const spares = { ...before, count, template, operation }
  const begun = await Operation.begin(
    parts,
    { id: operation, kind: 'spare', to: server.id, data, detail: { server: server.id, count, template } },
    actor,
    putSpares(server, spares),
  )
  return carryOut(parts, adminSealer, begun, isStopping)
}

function carryOut(
  parts: LifecycleParts,
  adminSealer: Sealer,
  operation: Operation,
  isStopping = () => false,
): Started<SparesKept> {
  return started(operation, async () => {
    const run = new Run(parts, adminSealer, operation)
    while ((run.isAtOne || !isStopping()) && (await run.step())) {
      // Until there is nothing to do.
    }
    return run.end()
  })
}

/** What is to be done next for a server's spares. */
function nextOf({ count, template, ready }: Spares): Spare | 'make' | undefined {
  const [stale] = ready.filter((spare) => spare.template !== template)
  if (stale !== undefined) return stale
  if (ready.length > count) return ready.at(-1)
  return ready.length < count ? 'make' : undefined
}

class Run {
  readonly #parts: LifecycleParts
  readonly #adminSealer: Sealer
  readonly #operation: Operation

  constructor(parts: LifecycleParts, adminSealer: Sealer, operation: Operation) {
    this.#parts = parts
    this.#adminSealer = adminSealer
    this.#operation = operation
  }

  /** Whether one is half made or half dropped. */
  get isAtOne(): boolean {
    return this.#data.making !== null || this.#data.dropping !== null
  }

  /** Makes or drops one. @returns false where there was nothing to do. */
  async step(): Promise<boolean> {
    const { making, dropping } = this.#data
    if (dropping !== null) await this.#drop(dropping)
    else if (making !== null) await this.#make(making)
    else return this.#choose()
    return true
  }

  async end(): Promise<SparesKept> {
    const { server, made, dropped } = this.#data
    await this.#operation.done()
    const { record } = await findServerEntry(this.#parts.registry, server)
    const { count, template, ready } = record.spares ?? NONE
    return { server, count, template, ready: ready.length, made, dropped }
  }

  get #data(): SpareData {
    return SpareData.parse(this.#operation.record.data)
  }

  /** On record before it is done; one that is to be dropped can be claimed no more from then on. */
  #choose(): Promise<boolean> {
    return this.#inTurn(async (server) => {
      const spares = server.record.spares ?? NONE
      const next = nextOf(spares)
      if (next === undefined) return false
      if (next === 'make') {
        const template = spares.template === null ? undefined : templateOn(server.record, spares.template)
        const making = { ...chooseNames(), ...(template ? { template } : {}) }
        await this.#keep({ making }, spares)
        return true
      }
      const ready = spares.ready.filter(({ database }) => database !== next.database)
      await this.#keep({ dropping: next }, spares, putSpares(server, { ...spares, ready }))
      return true
    })
  }

  async #make(plan: MakingPlan): Promise<void> {
    await using making = new Making(this.#parts, this.#adminSealer, (await this.#server()).record, plan)
    await furnishSpare(making)
    await this.#parts.onStep?.({ tenant: this.#operation.record.id, name: 'spare' })
    const spare = {
      database: plan.database,
      incarnation: plan.incarnation,
      template: plan.template?.name ?? null,
    }
    await this.#inTurn((server) => {
      const spares = server.record.spares ?? NONE
      const ready = [...spares.ready, spare]
      const { made } = this.#data
      return this.#keep({ making: null, made: made + 1 }, spares, putSpares(server, { ...spares, ready }))
    })
  }

  async #drop(spare: Spare): Promise<void> {
    const { record } = await this.#server()
    await using making = new Making(this.#parts, this.#adminSealer, record, spare)
    await dropSpare(making)
    await this.#keep({ dropping: null, dropped: this.#data.dropped + 1 }, record.spares ?? NONE)
  }

  #keep(
    change: Partial<SpareData>,
    { count, ready }: Spares,
    also?: ReturnType<typeof putSpares>,
  ): Promise<void> {
    const progress = { done: Math.min(ready.length, count), total: count }
    return this.#operation.keep({ data: { ...this.#data, ...change }, progress }, 'step', also)
  }

  #inTurn<T>(work: (server: Entry<'server'>) => Promise<T>): Promise<T> {
    return inTurn(async () => work(await this.#server()))
  }

  #server(): Promise<Entry<'server'>> {
    return findServerEntry(this.#parts.registry, this.#data.server)
  }
}

function putSpares(
  server: Entry<'server'>,
  spares: Spares,
): Pick<ReturnType<typeof turnOn>, 'expectations'> & { puts: Put[] } {
  const record: ServerRecord = { ...server.record, spares, updatedAt: now() }
  return turnOn([{ ...server, record }])
}

async function lastOf(
  { registry }: LifecycleParts,
  { operation }: Spares,
): Promise<Entry<'operation'> | undefined> {
  return operation === null ? undefined : registry.find('operation', operation)
}

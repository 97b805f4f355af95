import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import type { Entry, Expectation, Kind, Put } from '../../registry/registry.ts'
import { Operation, type Step } from '../operation/operation.ts'
import { isHeld } from '../operation/operation-hold.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { inTurn } from '../server/turn.ts'
import { KeyCount, type KeyView } from './key-count.ts'
import { resealedOperation, resealedServer, resealedTenant } from './resealed.ts'

const PAGE = 500
/** Records of one commit: Consul takes 64 changes, some of them its own. */
const RECORDS_AT_ONCE = 20

export const RewrapSecrets = z.strictObject({
  /** Count, and change nothing. */
  dryRun: z.boolean(),
})
export type RewrapSecrets = z.input<typeof RewrapSecrets>

export interface SecretsRewrapped {
  readonly dryRun: boolean
  /** Records whose values were sealed again. */
  readonly rewrapped: number
  readonly master: KeyView
  /** Of admin passwords; null where this process has no admin key. */
  readonly admin: KeyView | null
}

/** A look at every sealed value. */
interface Survey {
  readonly master: KeyCount
  readonly admin: KeyCount | undefined
  /** Records that hold a value under an older key. */
  readonly records: number
}

/**
 * Seals every data key anew under the first of the keys of this process, so that the others can be dropped. The secrets
 * themselves stay as they are, and routers that have both keys notice nothing. Called again, or resumed, it goes on.
 * @throws {PreconditionFailedError} where values are left in the end, and which.
 */
export async function startRewrap(
  parts: LifecycleParts,
  input: RewrapSecrets,
  actor: string,
): Promise<Started<SecretsRewrapped>> {
  const { dryRun } = RewrapSecrets.parse(input)
  const survey = await surveyed(parts)
  if (dryRun || survey.records === 0)
    return { operation: null, result: Promise.resolve(answerOf(survey, dryRun, 0)) }
  const older = Object.keys({ ...survey.master.view.older, ...survey.admin?.view.older })
  const beginning = {
    kind: 'rewrap' as const,
    from: older.join(' ').slice(0, 200),
    to: parts.sealer.activeKid,
    progress: { done: 0, total: survey.records },
  }
  return carryOut(parts, await Operation.begin(parts, beginning, actor))
}

export async function resumeRewrap(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<SecretsRewrapped>> {
  return carryOut(parts, await Operation.take(parts, operation, actor))
}

/** One run of it. */
interface Run {
  readonly parts: LifecycleParts
  readonly operation: Operation
}

const STEPS: readonly Step<Run>[] = [
  { name: 'servers', run: (run) => rewrapAll(run, 'server') },
  { name: 'tenants', run: (run) => rewrapAll(run, 'tenant') },
  // Those that are over, too: what they keep may be what undoing them needs.
  { name: 'operations', run: (run) => rewrapAll(run, 'operation') },
]

function carryOut(parts: LifecycleParts, operation: Operation): Started<SecretsRewrapped> {
  return started(operation, async () => {
    await operation.run(STEPS, { parts, operation })
    const left = await surveyed(parts)
    refuseLeft(left)
    await operation.done()
    return answerOf(left, false, operation.record.progress?.done ?? 0)
  })
}

/** Page by page from the first: what is under the active key already is passed over. */
async function rewrapAll(run: Run, kind: Kind): Promise<void> {
  for (let cursor: string | undefined; ; ) {
    const from = cursor
    const next = await inTurn(() => rewrapPage(run, kind, from))
    if (next === undefined) return
    cursor = next
  }
}

/** @throws {RevisionConflictError} where somebody changed one of them meanwhile. */
async function rewrapPage(
  { parts, operation }: Run,
  kind: Kind,
  cursor: string | undefined,
): Promise<string | undefined> {
  const page = await parts.registry.list(kind, cursor, { limit: PAGE })
  const keys = countsFor(parts)
  const changes = page.entries.flatMap((entry) => changeOf(parts, keys, entry))
  for (let at = 0; at < changes.length; at += RECORDS_AT_ONCE) {
    const some = changes.slice(at, at + RECORDS_AT_ONCE)
    const { done, total } = operation.record.progress ?? { done: 0, total: changes.length }
    const progress = { done: done + some.length, total: Math.max(total, done + some.length) }
    await operation.keep({ progress }, 'page', {
      puts: some.map(({ put }) => put),
      expectations: some.map(({ expectation }) => expectation),
      detail: { kind, records: some.length },
    })
  }
  return page.next
}

interface Change {
  readonly put: Put
  readonly expectation: Expectation
}

/** An operation under way writes on what it wrote last: nobody else may. */
function changeOf(parts: LifecycleParts, keys: Pick<Survey, 'master' | 'admin'>, entry: Entry): Change[] {
  const { kind, id, revision } = entry
  const put = resealed(parts, keys, entry)
  if (put === undefined || (put.kind === 'operation' && isHeld(put.record))) return []
  return [{ put, expectation: { kind, id, revision } }]
}

/** Undefined where every value of it is under the active key. */
function resealed(
  { registry }: LifecycleParts,
  { master, admin }: Pick<Survey, 'master' | 'admin'>,
  entry: Entry,
): Put | undefined {
  const { kind, id, record } = entry as Put // an entry's kind and record belong together
  if (kind === 'tenant') {
    const after = resealedTenant(record, registry.id, master.reseal)
    return after === record ? undefined : { kind, id, record: after }
  }
  if (kind === 'server') {
    const after = resealedServer(record, registry.id, master.reseal, admin?.reseal)
    return after === record ? undefined : { kind, id, record: after }
  }
  if (kind !== 'operation') return undefined
  const after = resealedOperation(record, registry.id, master.reseal)
  return after === record ? undefined : { kind, id, record: after }
}

function countsFor({ sealer, adminSealer }: LifecycleParts): Pick<Survey, 'master' | 'admin'> {
  return { master: new KeyCount(sealer), admin: adminSealer && new KeyCount(adminSealer) }
}

async function surveyed(parts: LifecycleParts): Promise<Survey> {
  const keys = countsFor(parts)
  let records = 0
  const look = async (kind: Kind) => {
    for (let cursor: string | undefined; ; ) {
      const page = await parts.registry.list(kind, cursor, { limit: PAGE })
      records += page.entries.filter((entry) => resealed(parts, keys, entry) !== undefined).length
      if (page.next === undefined) return
      cursor = page.next
    }
  }
  await look('server')
  await look('tenant')
  await look('operation')
  return { ...keys, records }
}

function refuseLeft({ master, admin }: Survey): void {
  const left = master.older + (admin?.older ?? 0)
  if (left === 0) return
  const unreadable = [...master.view.unreadable, ...(admin?.view.unreadable ?? [])]
  throw new PreconditionFailedError(
    unreadable.length > 0
      ? `${left} values are under older keys still, and some do not open with the keys given: ${unreadable.join(', ')}.`
      : `${left} values are under older keys still: of operations under way, or of a process whose first key is an older one. Rewrap again.`,
  )
}

function answerOf({ master, admin }: Survey, dryRun: boolean, rewrapped: number): SecretsRewrapped {
  return { dryRun, rewrapped, master: master.view, admin: admin?.view ?? null }
}

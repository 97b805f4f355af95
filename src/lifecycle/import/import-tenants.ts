import { createHash } from 'node:crypto'
import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry } from '../../registry/registry.ts'
import type { SealBinding } from '../../registry/sealing.ts'
import { Secret } from '../../secret.ts'
import { Sealed } from '../../tenant/sealed.ts'
import { Operation } from '../operation/operation.ts'
import { isHeld } from '../operation/operation-hold.ts'
import { type Started, started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { type CheckedList, checkList } from './check-list.ts'
import { importRows, probeAll } from './import-rows.ts'
import { type ImportedRow, ImportRun } from './import-run.ts'
import { ListFaultsError, type RowFault } from './list-faults.ts'
import { LIST_FORMATS } from './read-list.ts'

export const ImportTenants = z.strictObject({
  format: z.enum(LIST_FORMATS),
  /** The list. It holds passwords. */
  text: z.string().max(33_554_432),
  /** Tell every fault and what would happen, and keep nothing. */
  dryRun: z.boolean().default(false),
  /** Connect to every database before any is imported, and import none where one cannot be. */
  probe: z.boolean().default(false),
  /** Connections to one server at once; never more than its budget. */
  concurrency: z.int().min(1).max(64).default(8),
})
export type ImportTenants = z.input<typeof ImportTenants>

export interface TenantsImported {
  readonly dryRun: boolean
  /** Of a dry run; else they are an error. */
  readonly faults: readonly RowFault[]
  readonly total: number
  readonly rows: readonly ImportedRow[]
  /** Tenants from before that were isolated until now: their roles may enter an imported database. */
  readonly nowNotIsolated: readonly string[]
}

/** What the operation keeps, so that another process can go on with it. */
const Plan = z.strictObject({
  format: z.enum(LIST_FORMATS),
  listSha256: z.string(),
  /** The list; null where it is too long to be kept, and once nobody needs it any more. */
  list: Sealed.nullable(),
  probe: z.boolean(),
  concurrency: z.int(),
})
type Plan = z.output<typeof Plan>

/** A longer list is not kept in the registry, whose values may be bounded (Consul: 512 KiB). */
const KEPT_LIST_CHARS = 100_000
/** Refused rows that the operation names. */
const NAMED_ROWS = 5

/**
 * Registers the databases of a list, each over a read-only session as its own role; nothing in them is changed. Rows that
 * are on record as they are written count as done, so the same list again goes on where an earlier run stopped. A row that
 * its server refuses does not stop the others.
 * @throws {ListFaultsError} with every fault of the list, of which nothing is imported then; {InvalidRequestError}
 */
export async function startImport(
  parts: LifecycleParts,
  input: ImportTenants,
  actor: string,
): Promise<Started<TenantsImported>> {
  const { dryRun, text, ...wanted } = ImportTenants.parse(input)
  const list = await checkList(parts.registry, wanted.format, text)
  if (dryRun) return { operation: null, result: rehearse(parts, list, wanted) }
  if (list.faults.length > 0) throw new ListFaultsError(list.faults)
  const data = planOf(parts, text, wanted)
  const progress = { done: list.there.size, total: list.rows.length }
  const before = await unfinishedOf(parts, data.listSha256)
  const operation = before
    ? await Operation.take(parts, before, actor, { operation: { data, progress } })
    : await Operation.begin(
        parts,
        { kind: 'import', data, progress, detail: { rows: progress.total } },
        actor,
      )
  return carryOut(parts, operation, list, wanted, actor)
}

/** An import of the same list that ended with refused rows, or whose process is gone: not to be left behind with its list. */
async function unfinishedOf(
  { registry }: LifecycleParts,
  listSha256: string,
): Promise<Entry<'operation'> | undefined> {
  for (const state of ['failed', 'running'] as const) {
    for await (const entry of everyEntry(registry, 'operation', { state })) {
      const { kind, data } = entry.record
      if (kind === 'import' && data['listSha256'] === listSha256 && !isHeld(entry.record)) return entry
    }
  }
  return undefined
}

/** As `startImport`, to its end. */
export async function importTenants(
  parts: LifecycleParts,
  input: ImportTenants,
  actor: string,
): Promise<TenantsImported> {
  return (await startImport(parts, input, actor)).result
}

/** @throws {ListFaultsError} where the registry has got in the way of it since. */
export async function resumeImport(
  parts: LifecycleParts,
  entry: Entry<'operation'>,
  actor: string,
): Promise<Started<TenantsImported>> {
  const operation = await Operation.take(parts, entry, actor)
  try {
    const plan = Plan.parse(operation.record.data)
    if (plan.list === null) {
      throw new PreconditionFailedError(
        'The list was too long to be kept: import it again, which goes on with it.',
      )
    }
    const text = parts.sealer.open(plan.list, listBinding(parts, plan)).reveal()
    const list = await checkList(parts.registry, plan.format, text)
    if (list.faults.length > 0) throw new ListFaultsError(list.faults)
    return carryOut(parts, operation, list, plan, actor)
  } catch (error) {
    await operation.fail(error)
    await operation[Symbol.asyncDispose]()
    throw error
  }
}

type Wanted = Pick<Plan, 'probe' | 'concurrency'>

function carryOut(
  parts: LifecycleParts,
  operation: Operation,
  list: CheckedList,
  { probe, concurrency }: Wanted,
  actor: string,
): Started<TenantsImported> {
  const total = list.rows.length
  const run = new ImportRun({ parts, operation, actor, atOnce: concurrency, total })
  return started(operation, async () => {
    for (const row of list.rows) if (list.there.has(row.line)) run.note(row, 'there')
    const left = list.rows.filter(({ line }) => !list.there.has(line))
    const refusals = probe ? await probeAll(run, left) : []
    if (refusals.length === 0) await importRows(run, left)
    else {
      for (const row of left) run.refuse(row, 'not begun, since others were refused')
      for (const { row, refusal } of refusals) run.refuse(row, refusal)
    }
    await conclude(run, operation)
    const { rows, nowNotIsolated } = run
    return { dryRun: false, faults: [], total, rows, nowNotIsolated: [...nowNotIsolated] }
  })
}

async function conclude(run: ImportRun, operation: Operation): Promise<void> {
  const refused = run.rows.filter(({ outcome }) => outcome === 'refused')
  const progress = { done: run.done, total: run.total }
  // The list is of no use any more, and it holds passwords.
  if (refused.length === 0)
    return operation.done({ progress, data: { ...operation.record.data, list: null } })
  const named = refused
    .slice(0, NAMED_ROWS)
    .map(({ line, tenant, refusal }) => `line ${line}, ${tenant}: ${refusal}`)
  await operation.fail(
    new PreconditionFailedError(`${refused.length} of ${run.total} rows were refused. ${named.join('; ')}`),
  )
}

async function rehearse(
  parts: LifecycleParts,
  { rows, there, faults }: CheckedList,
  { probe, concurrency }: Wanted,
): Promise<TenantsImported> {
  const left = rows.filter(({ line }) => !there.has(line))
  const refusals = probe ? await probeAll({ parts, atOnce: concurrency }, left) : []
  const refused = new Map(refusals.map(({ row, refusal }) => [row.line, refusal]))
  const outcomes = rows.map(({ line, id }): ImportedRow => {
    const refusal = refused.get(line) ?? null
    const outcome = there.has(line) ? 'there' : refusal === null ? 'new' : 'refused'
    return { line, tenant: id, outcome, refusal, findings: [] }
  })
  return { dryRun: true, faults, total: rows.length, rows: outcomes, nowNotIsolated: [] }
}

function planOf(
  parts: LifecycleParts,
  text: string,
  { format, probe, concurrency }: Omit<Plan, 'list' | 'listSha256'>,
): Plan {
  const listSha256 = createHash('sha256').update(text).digest('hex')
  const isKept = text.length <= KEPT_LIST_CHARS
  const list = isKept ? parts.sealer.seal(new Secret(text), listBinding(parts, { listSha256 })) : null
  return { format, listSha256, list, probe, concurrency }
}

/** The list is sealed under its own digest, before the operation has a name. */
function listBinding({ registry }: LifecycleParts, { listSha256 }: Pick<Plan, 'listSha256'>): SealBinding {
  return { registry: registry.id, subject: listSha256, generation: 0, field: 'operation.list' }
}

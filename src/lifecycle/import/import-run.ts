import type { Operation } from '../operation/operation.ts'
import type { LifecycleParts } from '../parts.ts'
import type { ImportRow } from './import-row.ts'

/** What became of one row. */
export interface ImportedRow {
  readonly line: number
  readonly tenant: string
  /** `there`: an earlier run imported it. `new`: it would be imported, were this no dry run. */
  readonly outcome: 'imported' | 'there' | 'refused' | 'new'
  /** Why not. */
  readonly refusal: string | null
  /** Of one that is imported: what keeps SQL of tenant keys from running as its role. */
  readonly findings: readonly string[]
}

/** Rows of one commit, where the registry takes so many. */
const BATCH_ROWS = 50

/** One run over the rows of a list: what became of them so far. */
export class ImportRun {
  readonly parts: LifecycleParts
  readonly operation: Operation
  readonly actor: string
  /** Connections to one server at once. */
  readonly atOnce: number
  readonly total: number
  /** Lowered where the registry takes fewer changes at once. */
  batchRows = BATCH_ROWS
  readonly nowNotIsolated = new Set<string>()
  readonly #outcomes = new Map<number, ImportedRow>()

  constructor(given: Pick<ImportRun, 'parts' | 'operation' | 'actor' | 'atOnce' | 'total'>) {
    this.parts = given.parts
    this.operation = given.operation
    this.actor = given.actor
    this.atOnce = given.atOnce
    this.total = given.total
  }

  note({ line, id }: ImportRow, outcome: ImportedRow['outcome'], change: Partial<ImportedRow> = {}): void {
    this.#outcomes.set(line, { line, tenant: id, outcome, refusal: null, findings: [], ...change })
  }

  refuse(row: ImportRow, refusal: string): void {
    this.note(row, 'refused', { refusal })
  }

  /** A tenant is isolated no more: one from before this run, or one of its own that came earlier. */
  expose(id: string, findings: readonly string[]): void {
    const own = this.rows.find(({ tenant, outcome }) => tenant === id && outcome === 'imported')
    if (own === undefined) this.nowNotIsolated.add(id)
    else this.#outcomes.set(own.line, { ...own, findings })
  }

  /** By line. */
  get rows(): ImportedRow[] {
    return [...this.#outcomes.values()].toSorted((a, b) => a.line - b.line)
  }

  /** Rows on record. */
  get done(): number {
    return this.rows.filter(({ outcome }) => outcome === 'imported' || outcome === 'there').length
  }
}

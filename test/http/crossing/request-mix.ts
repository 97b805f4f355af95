import type { RequestWork } from './request-work.ts'
import * as work from './request-work.ts'
import * as sql from './sql-work.ts'

const WEIGHTED: readonly (readonly [number, string, RequestWork])[] = [
  [22, 'query', work.query],
  [12, 'numbered', work.numbered],
  [6, 'where', work.where],
  [4, 'lines', work.lines],
  [4, 'table', work.table],
  [1.5, 'streamLeft', work.streamLeft],
  [4, 'aborted', work.aborted],
  [1, 'timedOut', work.timedOut],
  [1, 'tooLarge', work.tooLarge],
  [4, 'failing', work.failing],
  [3, 'raising', work.raising],
  [4, 'commit', work.commit],
  [3, 'rollback', work.rollback],
  [4, 'dirty', work.dirty],
  [5, 'inspect', work.inspect],
  [2, 'foreignName', work.foreignName],
  [2, 'own', work.own],
  [8, 'sqlQuery', sql.sqlQuery],
  [6, 'sqlNumbered', sql.sqlNumbered],
  [2, 'sqlFailing', sql.sqlFailing],
  [4, 'sqlBatch', sql.sqlBatch],
  [1, 'sqlForeignName', sql.sqlForeignName],
]
const TOTAL = WEIGHTED.reduce((sum, [weight]) => sum + weight, 0)

export function anyRequest(): readonly [string, RequestWork] {
  let at = Math.random() * TOTAL
  for (const [weight, name, one] of WEIGHTED) {
    at -= weight
    if (at < 0) return [name, one]
  }
  return ['query', work.query]
}

/** The kinds of which less than half of their share came to the end they should come to. */
export function tooRare(byKind: ReadonlyMap<string, number>, requests: number): string[] {
  const isRare = (weight: number, name: string) => (byKind.get(name) ?? 0) < ((weight / TOTAL) * requests) / 2
  return WEIGHTED.filter(([weight, name]) => isRare(weight, name)).map(([, name]) => name)
}

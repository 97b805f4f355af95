import type { QueryAnswer } from './query-client.ts'

/** Needs no table, so it runs in every database as it is; each row says which database it comes from. */
export const PROBE_SQL =
  'select pg_catalog.current_database()::text as database, n, pg_catalog.md5(n::text) as payload from pg_catalog.generate_series(1, $1::int4) as n'

export function probeBody(rows: number): string {
  return JSON.stringify({ sql: PROBE_SQL, params: [rows] })
}

export type Verdict =
  | { readonly kind: 'right' }
  /** A row of another database, or not the rows that were asked for. */
  | { readonly kind: 'wrong'; readonly found: string }
  /** An answer that says that it failed; `code` is the problem's, or its status. */
  | { readonly kind: 'failed'; readonly code: string }

/** Looks at every row: one that came from elsewhere among many right ones is what this is for. */
export function judge(answer: QueryAnswer, database: string, rows: number): Verdict {
  const body = parse(answer.body)
  if (answer.status !== 200) {
    const code = field(body, 'code')
    return { kind: 'failed', code: typeof code === 'string' ? code : `http_${answer.status}` }
  }
  const found = field(body, 'rows')
  if (!Array.isArray(found)) return { kind: 'wrong', found: 'no rows' }
  if (found.length !== rows) return { kind: 'wrong', found: `${found.length} rows` }
  for (const [index, row] of found.entries()) {
    const from = field(row, 'database')
    if (from !== database) return { kind: 'wrong', found: `a row of ${String(from)}` }
    if (field(row, 'n') !== index + 1) return { kind: 'wrong', found: `row ${index + 1} is another` }
  }
  return { kind: 'right' }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

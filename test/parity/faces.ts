import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { parse } from 'csv-parse/sync'
import type { Sql } from '../../src/connection/sql.ts'
import type { HttpWorld } from '../http/http-world.ts'
import { connectionStringOf } from '../http/sql/sql-ground.ts'
import { postgres15Binaries } from '../support/postgres-15.ts'

/** Values as the text of Postgres; NULL is null. */
export type Rows = readonly (readonly (string | null)[])[]
export type Answer = { readonly rows: Rows } | { readonly sqlstate: string }

const NULL_MARK = '\u2400null'
/** Characters that stand in none of the values. */
const [FIELD_END, ROW_END, DONE] = ['\x1f', '\x1e', '\x1dend']

/** All of them in one session of Debian's client, as the tenant's own role. */
export async function byPsql(
  { world }: HttpWorld,
  tenant: string,
  statements: readonly string[],
): Promise<Answer[]> {
  const { database, role, password } = world.placeOf(tenant)
  const folder = await postgres15Binaries()
  const { host, port } = world.server
  const address = ['-h', host, '-p', String(port), '-U', role, '-d', database]
  const format = ['-X', '-q', '-A', '-t', '-F', FIELD_END, '-R', ROW_END, '-P', `null=${NULL_MARK}`]
  const env = { PGPASSWORD: password, PGTZ: 'UTC', PGCLIENTENCODING: 'UTF8', PATH: process.env['PATH'] ?? '' }
  const child = spawn(`${folder}/psql`, [...address, ...format], { env, stdio: ['pipe', 'pipe', 'ignore'] })
  // `\g` sends what stands before it, whatever is in it.
  child.stdin.end(statements.map((one) => `${one}\n\\g\n\\echo ${DONE} :SQLSTATE\n`).join(''))
  const answers = (await text(child.stdout)).split(new RegExp(`${DONE} (\\w{5})\n`))
  return statements.map((_, at) => psqlAnswer(answers[2 * at] ?? '', answers[2 * at + 1] ?? 'none'))
}

function psqlAnswer(output: string, sqlstate: string): Answer {
  if (sqlstate !== '00000') return { sqlstate }
  if (output === '') return { rows: [] }
  const records = output.replace(/\n$/, '').split(ROW_END)
  const value = (field: string) => (field === NULL_MARK ? null : field)
  return { rows: records.map((record) => record.split(FIELD_END).map(value)) }
}

/** As its users write it: a plain template. */
export async function byHandle(sql: Sql, statement: string): Promise<Answer> {
  const template = Object.assign([statement], { raw: [statement] })
  try {
    // A row's values are the bytes of the wire there.
    const rows = (await sql(template).raw()) as unknown as (readonly (Buffer | null)[])[]
    return { rows: rows.map((row) => row.map((value) => value && value.toString('utf8'))) }
  } catch (error) {
    return { sqlstate: error instanceof Error && 'code' in error ? String(error.code) : String(error) }
  }
}

/** Streamed as CSV, whose every value is the text of Postgres. */
export async function byCsv(http: HttpWorld, key: string, sql: string): Promise<Answer> {
  const answer = await http.ask('/v1/query', { key, body: { sql, format: 'csv' } })
  if (answer.status !== 200) return { sqlstate: answer.json.sqlstate }
  const cast = (value: string, { quoting }: { readonly quoting: boolean }) =>
    value === '' && !quoting ? null : value
  const rows: (string | null)[][] = parse(answer.text, { cast, from_line: 2, relax_column_count: true })
  return { rows }
}

export interface JsonAnswer {
  readonly types: readonly number[]
  readonly rows: readonly (readonly unknown[])[]
}

/** As most callers ask: with the values of some types as JSON has them. */
export async function byJson(
  http: HttpWorld,
  key: string,
  sql: string,
): Promise<JsonAnswer | { readonly sqlstate: string }> {
  const { status, json } = await http.ask('/v1/query', { key, body: { sql, rowMode: 'array' } })
  if (status !== 200) return { sqlstate: json.sqlstate }
  return {
    types: json.fields.map(({ dataTypeID }: { readonly dataTypeID: number }) => dataTypeID),
    rows: json.rows,
  }
}

/** As the client of Neon asks. */
export async function byNeonProtocol(
  http: HttpWorld,
  key: string,
  tenant: string,
  query: string,
): Promise<Answer> {
  const host = `${tenant}.db.example.test`
  const headers = {
    'neon-connection-string': connectionStringOf(key, host),
    'neon-raw-text-output': 'true',
    'neon-array-mode': 'true',
  }
  const { status, json } = await http.ask('/sql', { headers, host, body: { query, params: [] } })
  return status === 200 ? { rows: json.rows } : { sqlstate: json.code }
}

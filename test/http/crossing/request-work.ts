import type { Tally } from '../../router/crossing/tally.ts'
import { CrossingError, expectOwn, expectWhole, secondRole } from '../../router/crossing/traces.ts'
import { type CrossingGround, WAYS, type Way } from './crossing-ground.ts'
import { LeftError, type WireAnswer, type WireAsk } from './wire.ts'

export interface Terms {
  readonly ground: CrossingGround
  readonly tally: Tally
  readonly anyTenant: () => string
}

/** One request, and what its answer has to be. Throws where it is not the tenant's own, whole. */
export type RequestWork = (terms: Terms, tenant: string) => Promise<void>

/** The answer of a request whose backend was ended under it, or whose connection could not be opened for that. */
export class DisturbedError extends Error {
  readonly isRefusal: boolean
  constructor(answer: string, isRefusal: boolean) {
    super(answer)
    this.isRefusal = isRefusal
  }
}

/** The codes of problems, and of `/sql`. */
const DISTURBED = /"code":"(?:connection_lost|outcome_unknown|08006|08007|57P01)"|"sqlstate":"57P01"/
const REFUSED = /"code":"(?:server_unavailable|08001)"/
export const NOTES = 'select id, tenant, body from notes order by id'

const anyWay = (): Way => WAYS[Math.floor(Math.random() * WAYS.length)] ?? 'tenant'

/** Every answer passes here: none may say anything of another tenant. */
export async function ask(
  { ground }: Terms,
  tenant: string,
  { headers, ...request }: Omit<WireAsk, 'headers'> & Partial<WireAsk>,
  way = anyWay(),
): Promise<WireAnswer> {
  const own = request.path === '/sql' ? ground.asNeon(tenant, way) : ground.as(tenant, way)
  const answer = await ground.wire.ask({ ...request, headers: { ...own, ...headers } })
  expectOwn(ground.http.world, tenant, answer.said)
  if (DISTURBED.test(answer.text)) throw new DisturbedError(answer.text, false)
  if (REFUSED.test(answer.text)) throw new DisturbedError(answer.text, true)
  return answer
}

/** @throws where the answer has another status, or code. */
export function expectAnswer({ status, text }: WireAnswer, wanted: number, code?: string): void {
  if (status !== wanted || (code !== undefined && !text.includes(`"${code}"`)))
    throw new Error(`${status} instead of ${wanted} ${code ?? ''}: ${text.slice(0, 500)}`)
}

const queryOf = (sql: string, params: readonly unknown[] = [], more: object = {}) => ({
  path: '/v1/query',
  body: { sql, params, ...more },
})

export const query: RequestWork = async (terms, tenant) => {
  const answer = await ask(terms, tenant, queryOf(NOTES))
  expectAnswer(answer, 200)
  expectWhole(tenant, JSON.parse(answer.text).rows)
}

/** The same text for all tenants, and a number that no other request has. */
export const numbered: RequestWork = async (terms, tenant) => {
  const n = terms.tally.next()
  const sql = 'select $1::int as n, min(tenant) as tenant from notes'
  const answer = await ask(terms, tenant, queryOf(sql, [n]))
  expectAnswer(answer, 200)
  const { rows } = JSON.parse(answer.text)
  if (JSON.stringify(rows) !== JSON.stringify([{ n, tenant }]))
    throw new CrossingError(`${tenant} asked for ${n} and got ${answer.text}`)
}

export const where: RequestWork = async ({ ground, ...terms }, tenant) => {
  const sql = 'select current_database()::text as db, current_user::text as role'
  const answer = await ask({ ground, ...terms }, tenant, queryOf(sql))
  expectAnswer(answer, 200)
  const [{ db, role }] = JSON.parse(answer.text).rows
  const place = ground.http.world.placeOf(tenant)
  if (db !== place.database || ![place.role, secondRole(place.role)].includes(role))
    throw new CrossingError(`${tenant} is at ${answer.text}`)
}

export const lines: RequestWork = async (terms, tenant) => {
  const answer = await ask(terms, tenant, queryOf(NOTES, [], { format: 'ndjson' }))
  expectAnswer(answer, 200)
  const [end, ...rows] = answer.text
    .trimEnd()
    .split('\n')
    .reverse()
    .map((line) => JSON.parse(line))
  if (end.end?.rowCount !== 20) throw new Error(`${tenant} was sent ${JSON.stringify(end)}`)
  expectWhole(tenant, rows.reverse())
}

export const table: RequestWork = async (terms, tenant) => {
  const answer = await ask(terms, tenant, queryOf(NOTES, [], { format: 'csv' }))
  expectAnswer(answer, 200)
  // It has no place for an error: whatever ended its backend broke it off.
  if (!answer.isWhole) throw new DisturbedError(`a CSV of ${answer.text.length} bytes`, false)
  const [, ...rows] = answer.text.split('\r\n').slice(0, -1)
  expectWhole(
    tenant,
    rows.map((row) => {
      const [id, own, body] = row.split(',')
      return { id: Number(id), tenant: own, body }
    }),
  )
}

const MANY = 'select n, tenant, body from generate_series(1, 150) n, notes order by n'

export const streamLeft: RequestWork = async (terms, tenant) => {
  const format = Math.random() < 0.5 ? 'ndjson' : 'csv'
  await leaving(ask(terms, tenant, { ...queryOf(MANY, [], { format }), leavesEarly: true }))
}

export const aborted: RequestWork = async (terms, tenant) => {
  const sql = Math.random() < 0.5 ? NOTES : 'select pg_sleep(0.2), tenant from notes limit 1'
  await leaving(ask(terms, tenant, { ...queryOf(sql), leavesAfterMs: Math.floor(Math.random() * 6) }))
}

/** It may have been answered before it left. */
async function leaving(answered: Promise<WireAnswer>): Promise<void> {
  await answered.catch((error: unknown) => {
    if (!(error instanceof LeftError)) throw error
  })
}

export const timedOut: RequestWork = async (terms, tenant) => {
  const sql = 'select pg_sleep(5), tenant from notes limit 1'
  expectAnswer(await ask(terms, tenant, queryOf(sql, [], { timeoutMs: 10 })), 504, 'statement_timeout')
}

export const tooLarge: RequestWork = async (terms, tenant) => {
  const sql = 'select tenant from notes, generate_series(1, 100)'
  expectAnswer(await ask(terms, tenant, queryOf(sql)), 507, 'result_too_large')
}

/** Rows come first, then the error. */
export const failing: RequestWork = async (terms, tenant) => {
  const sql = 'select repeat(tenant, 50), 10 / (id - 20) from notes order by id'
  expectAnswer(await ask(terms, tenant, queryOf(sql)), 400, '22012')
}

/** What Postgres says goes to the caller, and is the tenant's own secret. */
export const raising: RequestWork = async (terms, tenant) => {
  const sql = `do $$ begin raise exception 'secret of ${tenant}' using detail = '${tenant}'; end $$`
  const answer = await ask(terms, tenant, queryOf(sql))
  expectAnswer(answer, 400, 'P0001')
  if (!answer.text.includes(`secret of ${tenant}`)) throw new Error(answer.text)
}

export const commit: RequestWork = (terms, tenant) =>
  intoLedger(terms, tenant, (n) => {
    const statements = [
      { sql: LEDGER.write, params: [n] },
      { sql: LEDGER.read, params: [n] },
    ]
    return { path: '/v1/transaction', body: { statements } }
  })

export const LEDGER = {
  write: 'insert into ledger (n, tenant) select $1, min(tenant) from notes',
  read: 'select n, tenant from ledger where n = $1',
}

/** Writes and reads a number in one transaction, and keeps what the caller was told of its write. */
export async function intoLedger(
  terms: Terms,
  tenant: string,
  requestOf: (n: number) => { readonly path: string; readonly body: unknown },
): Promise<void> {
  const { tally } = terms
  const n = tally.next()
  const answer = await ask(terms, tenant, requestOf(n)).catch((error) => {
    if (error instanceof DisturbedError) tally.count(tally.unknown, tenant)
    throw error
  })
  expectAnswer(answer, 200)
  tally.count(tally.committed, tenant)
  const [, { rows }] = JSON.parse(answer.text).results
  if (JSON.stringify(rows) !== JSON.stringify([{ n, tenant }])) throw new CrossingError(answer.text)
}

export const rollback: RequestWork = async (terms, tenant) => {
  const statements = [
    { sql: 'insert into ledger (n, tenant) values ($1, $2)', params: [terms.tally.next(), tenant] },
    { sql: 'select 1 / 0' },
  ]
  expectAnswer(await ask(terms, tenant, { path: '/v1/transaction', body: { statements } }), 400, '22012')
}

/** Leaves what says whose it is, by the tenant's own key. */
export const dirty: RequestWork = async (terms, tenant) => {
  const sql = [
    `set app.tenant to '${tenant}'`,
    `prepare planted as select '${tenant}'`,
    `create temp table mark as select '${tenant}' as tenant`,
    'select pg_advisory_lock(1)',
    'listen planted',
    'begin',
    `do $$ begin perform set_config('app.tenant', '${tenant}', false); end $$`,
    `declare planted cursor with hold for select '${tenant}'`,
  ]
  const text = sql[Math.floor(Math.random() * sql.length)] ?? ''
  expectAnswer(await ask(terms, tenant, queryOf(text), 'tenant'), 200)
}

const TRACES = `select nullif(pg_catalog.current_setting('app.tenant', true), '') as setting,
  (select count(*) from pg_catalog.pg_prepared_statements where name = 'planted')
  + (select count(*) from pg_catalog.pg_cursors where name = 'planted')
  + (select count(*) from pg_catalog.pg_listening_channels())
  + (select count(*) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()) as left,
  pg_catalog.to_regclass('pg_temp.mark')::text as mark`

/** Nothing of that, by whichever key. */
export const inspect: RequestWork = async (terms, tenant) => {
  const answer = await ask(terms, tenant, queryOf(TRACES))
  expectAnswer(answer, 200)
  const { rows } = JSON.parse(answer.text)
  if (JSON.stringify(rows) !== JSON.stringify([{ setting: null, left: '0', mark: null }]))
    throw new CrossingError(`${tenant} found ${answer.text}`)
}

/** Its own key, and another tenant's name: the answer does not say even that there is one. */
export const foreignName: RequestWork = async (terms, tenant) => {
  const other = terms.anyTenant()
  const headers = { 'x-tenant-id': other }
  const answer = await ask(terms, tenant, { ...queryOf(NOTES), headers }, 'tenant')
  if (other === tenant) expectAnswer(answer, 200)
  else expectAnswer(answer, 404, 'tenant_unknown')
}

export const own: RequestWork = async (terms, tenant) => {
  const answer = await ask(terms, tenant, { path: '/v1/tenant' })
  expectAnswer(answer, 200)
  if (JSON.parse(answer.text).id !== tenant) throw new CrossingError(`${tenant} is told it is ${answer.text}`)
}

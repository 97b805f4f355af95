import { setImmediate as nextTurn } from 'node:timers/promises'
import { HeldBytes } from '../../../src/query/held-bytes.ts'
import type { QueryLimits } from '../../../src/query/query-limits.ts'
import { runStream } from '../../../src/query/run-stream.ts'
import { CsvFormat, NdjsonFormat, type StreamFormat } from '../../../src/query/stream-format.ts'
import type { KeyRecord } from '../../../src/registry/key-record.ts'
import type { Caller } from '../../../src/resolve/caller.ts'
import { parseTenantId } from '../../../src/tenant/tenant-id.ts'
import type { World } from '../../support/world.ts'
import { CrossingError, expectWhole } from './traces.ts'
import type { Work } from './work.ts'

const ROUNDS = 8
/** Several batches of them. */
const MANY = `select id, tenant, body from generate_series(1, ${ROUNDS}) round, notes order by round, id`
const LIMITS: QueryLimits = {
  maxResultBytes: 1_000_000,
  maxRows: 1_000,
  maxStreamBytes: 1_000_000,
  statementTimeoutMs: 30_000,
}
const held = new HeldBytes(100_000_000)

function expectAll(tenant: string, rows: readonly unknown[]): void {
  if (rows.length !== ROUNDS * 20) throw new CrossingError(`${tenant} was streamed ${rows.length} rows`)
  for (let at = 0; at < rows.length; at += 20) expectWhole(tenant, rows.slice(at, at + 20))
}

/** By a reader that is slower than the server. */
export const stream: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant, { trust: Math.random() < 0.5 ? 'application' : 'foreign' })
  const rows: unknown[] = []
  const end = await lease.stream({ text: MANY }, async (batch) => {
    await nextTurn()
    rows.push(...batch.rows)
  })
  // The connection is free before the last batch was taken.
  await nextTurn()
  expectAll(tenant, rows)
  if (end.rowCount !== rows.length)
    throw new CrossingError(`${tenant}: ${end.rowCount} of ${rows.length} rows`)
}

/** The reader goes away in the middle; what it has not read must not reach the next answer. */
export const streamLeftEarly: Work = async ({ world }, tenant) => {
  using lease = await world.lease(tenant)
  const left = new Error('the reader left')
  const rows: unknown[] = []
  const reading = lease.stream({ text: MANY }, async (batch) => {
    rows.push(...batch.rows)
    if (rows.length >= 20) throw left
  })
  await reading.then(
    () => Promise.reject(new Error('a stream that was left came to its end')),
    (error: unknown) => (error === left ? undefined : Promise.reject(error)),
  )
  expectWhole(tenant, rows.slice(0, 20))
  expectWhole(tenant, (await lease.run({ text: 'select id, tenant, body from notes order by id' })).rows)
}

/** As a request over HTTP with `format: ndjson`. */
export const streamLines: Work = async ({ world }, tenant) => {
  const lines = (await textOf(world, tenant, new NdjsonFormat('object'))).trimEnd().split('\n')
  const [end, ...rows] = lines.map((line) => JSON.parse(line)).reverse()
  if (end?.end?.rowCount !== rows.length) throw new CrossingError(`${tenant} was sent ${JSON.stringify(end)}`)
  expectAll(tenant, rows.reverse())
}

/** As a request over HTTP with `format: csv`. */
export const streamTable: Work = async ({ world }, tenant) => {
  // Nothing follows the last line end.
  const [head, ...lines] = (await textOf(world, tenant, new CsvFormat())).split('\r\n').slice(0, -1)
  if (head !== 'id,tenant,body') throw new CrossingError(`${tenant} was sent the head ${head}`)
  const rows = lines.map((line) => {
    const [id, own, body] = line.split(',')
    return { id: Number(id), tenant: own, body }
  })
  expectAll(tenant, rows)
}

async function textOf(world: World, tenant: string, format: StreamFormat): Promise<string> {
  const chunks: Uint8Array[] = []
  const write = async (bytes: Uint8Array) => {
    chunks.push(bytes)
    await nextTurn()
  }
  using own = held.open(parseTenantId(tenant))
  await runStream(
    world.router,
    await callerOf(world, tenant),
    { sql: MANY, params: [], readOnly: Math.random() < 0.5, rowMode: 'object' },
    { format, target: { write }, held: own },
    LIMITS,
    new AbortController().signal,
  )
  return Buffer.concat(chunks).toString()
}

/** By a key of the tenant's own, or by one of the team's. */
async function callerOf(world: World, tenant: string): Promise<Caller> {
  const entry = await world.directory.tenant(parseTenantId(tenant))
  if (!entry) throw new Error(`there is no tenant ${tenant} in the directory`)
  const { id, generation } = entry.record
  const isForeign = Math.random() < 0.5
  const key: KeyRecord = {
    id: 'aaaaaaaaaaaa',
    scope: isForeign ? { kind: 'tenant', tenant: id, generation } : { kind: 'service', labels: null },
    secretHash: '',
    readOnly: false,
    name: 'of the test',
    createdAt: new Date().toISOString(),
    expiresAt: null,
    revokedAt: null,
  }
  return { key, tenant: entry.record, trust: isForeign ? 'foreign' : 'application' }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

const LEASE_MS = 2_000
const STATEMENT_MS = 1_000
const STALL_MS = 700
const STREAM_BYTES = 4_000_000

let http: HttpWorld
let key: string
beforeAll(async () => {
  http = await startHttpWorld(['acme'], {
    world: { maxConnectionsPerTenant: 1, leaseTimeoutMs: LEASE_MS, statementTimeoutMs: STATEMENT_MS },
    tenantApp: {
      limits: {
        maxRows: 1_000,
        maxResultBytes: 1_000_000,
        maxStreamBytes: STREAM_BYTES,
        statementTimeoutMs: STATEMENT_MS,
      },
      stallMs: STALL_MS,
    },
  })
  key = await http.tenantKey('acme')
})
afterAll(() => http[Symbol.asyncDispose]())

type Format = 'ndjson' | 'csv'
const query = (body: unknown) => http.ask('/v1/query', { key, body })

/** The answer as it comes. */
async function streamed(sql: string, format: Format = 'ndjson', more: object = {}) {
  const response = await http.tenants.request('http://127.0.0.1/v1/query', {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ sql, format, ...more }),
  })
  if (!response.body) throw new Error('an answer without a body')
  return { status: response.status, reader: response.body.getReader() }
}
type Reader = Awaited<ReturnType<typeof streamed>>['reader']

/** Reads to the end, `pauseMs` before each part; undefined: the body broke off. */
async function readAll(reader: Reader, pauseMs = 0): Promise<string | undefined> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (;;) {
      if (pauseMs > 0) await sleep(pauseMs)
      const { done, value } = await reader.read()
      if (done) return text
      text += decoder.decode(value, { stream: true })
    }
  } catch {
    return undefined
  }
}

const lastLine = (text: string | undefined) => JSON.parse(text?.trimEnd().split('\n').at(-1) ?? 'null')

/** How long it takes until the tenant's only connection serves again, and nothing else of it runs on the server. */
async function freeAfterMs(): Promise<number> {
  const startedAt = performance.now()
  expect((await query({ sql: 'select 1 as one' })).json.rows).toEqual([{ one: 1 }])
  await vi.waitFor(async () => {
    const [row] = await http.world.server.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where datname = $1 and query like '%generate_series%' and state <> 'idle'",
      [http.world.placeOf('acme').database],
    )
    expect(row?.n).toBe(0)
  })
  return performance.now() - startedAt
}

/** 100 kB a row. */
const WIDE = "select i, repeat('x', 100000) as x from generate_series(1, 1000) i"

describe('an error', () => {
  it('before the first row is a problem with its status', async () => {
    for (const format of ['ndjson', 'csv']) {
      const { status, json } = await query({ sql: 'select 1/0', format })
      expect([status, json.code, json.sqlstate]).toEqual([400, 'sql_error', '22012'])
    }
  })

  const failing = 'select 1/(500 - i) as x from generate_series(1, 1000) i'
  it('after it is the last of the JSON lines', async () => {
    const { status, reader } = await streamed(failing)
    const text = await readAll(reader)
    expect(status).toBe(200)
    expect(await http.metrics.text()).toContain('tenantry_broken_answers_total{code="sql_error"} 1\n')
    expect(lastLine(text)).toMatchObject({
      error: { code: 'sql_error', sqlstate: '22012', status: 400, requestId: expect.any(String) },
    })
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })

  it('after it breaks a CSV off', async () => {
    const { status, reader } = await streamed(failing, 'csv')
    expect([status, await readAll(reader)]).toEqual([200, undefined])
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })

  it('of a stream past its cap says so', async () => {
    const { reader } = await streamed(WIDE)
    const text = await readAll(reader)
    expect(lastLine(text)).toMatchObject({ error: { code: 'result_too_large' } })
    expect(text?.length).toBeLessThan(STREAM_BYTES + 1_000)
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })

  it('of rows that cannot be held together says so', async () => {
    const { status, json } = await query({
      sql: "select repeat('x', 600000) from generate_series(1, 9)",
      format: 'ndjson',
    })
    expect([status, json.code]).toEqual([507, 'result_too_large'])
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })
})

describe('a stream that only reads', () => {
  it('runs inside BEGIN READ ONLY, and may not end that', async () => {
    const insert = {
      sql: 'insert into notes (id) values (99) returning id',
      format: 'ndjson',
      readOnly: true,
    }
    expect((await query(insert)).json).toMatchObject({ code: 'sql_error', sqlstate: '25006' })
    expect((await query({ sql: 'commit', format: 'csv', readOnly: true })).json.code).toBe('invalid_request')
    const { reader } = await streamed('select count(*)::int as n from notes', 'ndjson', { readOnly: true })
    expect(await readAll(reader)).toContain('{"n":20}\n{"end":')
  })
})

describe('a database that is slow', () => {
  it('has the time limit of a statement, all batches together', async () => {
    const startedAt = performance.now()
    const { reader } = await streamed('select i, pg_sleep(0.02) from generate_series(1, 1000) i')
    expect(lastLine(await readAll(reader))).toMatchObject({ error: { code: 'statement_timeout' } })
    expect(performance.now() - startedAt).toBeLessThan(STATEMENT_MS + 1_000)
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })

  it('has it before its first row, too', async () => {
    const { status, json } = await query({ sql: 'select pg_sleep(20)', format: 'csv', timeoutMs: 100 })
    expect([status, json.code]).toEqual([504, 'statement_timeout'])
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })
})

describe('a client that is slow', () => {
  it('is not counted as a slow statement', async () => {
    const startedAt = performance.now()
    const { reader } = await streamed("select repeat('x', 100000) from generate_series(1, 15)")
    expect(lastLine(await readAll(reader, 50))).toMatchObject({ end: { rowCount: 15 } })
    expect(performance.now() - startedAt).toBeGreaterThan(STATEMENT_MS)
    expect(await freeAfterMs()).toBeLessThan(1_000)
  })

  it.each(['ndjson', 'csv'] as const)(
    'and takes nothing of its %s ends the statement at the stall limit',
    async (format) => {
      const { reader } = await streamed(WIDE, format)
      await reader.read()
      // Meanwhile it has the tenant's only connection.
      expect(await freeAfterMs()).toBeLessThan(STALL_MS + 1_000)
      expect(await readAll(reader)).toBeUndefined()
      expect(http.logLines.join('')).toContain('"code":"stream_stalled"')
    },
  )

  it('holds a connection no longer than its lease, however steadily it reads', async () => {
    const { reader } = await streamed("select repeat('x', 20000) from generate_series(1, 190)")
    const reading = readAll(reader, STALL_MS - 300)
    expect(await freeAfterMs()).toBeLessThan(LEASE_MS + 1_000)
    expect(lastLine(await reading)).toMatchObject({ error: { code: 'lease_expired' } })
  })

  it('is sent no more than it takes', async () => {
    const { reader } = await streamed(WIDE)
    await reader.read()
    const [row] = await vi.waitFor(async () => {
      const rows = await http.world.server.query<{ event: string }>(
        'select wait_event as event from pg_stat_activity where datname = $1 and query like $2',
        [http.world.placeOf('acme').database, '%repeat%'],
      )
      expect(rows).toHaveLength(1)
      return rows
    })
    // Between two batches the server waits for us: it is not stuck in writing to a full socket.
    expect(row?.event).toBe('ClientRead')
    await reader.cancel()
    expect(await freeAfterMs()).toBeLessThan(2_000)
  })
})

describe('a client that goes', () => {
  it('between two parts ends the statement, and the connection serves the next', async () => {
    const { reader } = await streamed(WIDE)
    await reader.read()
    await reader.cancel()
    expect(await freeAfterMs()).toBeLessThan(2_000)
  })

  it('while the database works on the next part does so too', async () => {
    const { reader } = await streamed(
      'select i, case when i > 4 then pg_sleep(20) end from generate_series(1, 10) i',
    )
    await reader.read()
    await reader.cancel()
    expect(await freeAfterMs()).toBeLessThan(2_000)
  })
})

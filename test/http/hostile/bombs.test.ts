import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Answer } from '../http-world.ts'
import { neonHeaders } from '../neon-headers.ts'
import { type DoorName, expectCleanRoom, HostileGround, stateBy, UNDISTURBED } from './hostile-ground.ts'
import type { SessionState } from './session-state.ts'

const LIMIT_MS = 500
/** Each form of a request that has a text of its own for errors. */
const FORMS = ['query', 'sql'] as const satisfies readonly DoorName[]

let ground: HostileGround
let fresh: SessionState
beforeAll(async () => {
  ground = await HostileGround.start({
    world: { maxConnectionsPerTenant: 4 },
    tenantApp: {
      limits: {
        maxRows: 1_000,
        maxResultBytes: 1_000_000,
        maxStreamBytes: 1_000_000,
        statementTimeoutMs: LIMIT_MS,
      },
    },
  })
  fresh = await stateBy(ground.door('query'))
})
afterAll(() => ground[Symbol.asyncDispose]())

/** The code of a problem, or the SQLSTATE of either form. */
const reasonOf = ({ status, json }: Answer) => `${status} ${json?.sqlstate ?? json?.code}`
const notice = 'canary-notice'

describe.each(FORMS)('a tenant key, by %s,', (name) => {
  it.each([
    ['a NUL in the text', 'select 1\0 as x', [], ['400 invalid_request', '400 08P01']],
    [
      'one that would end the text before further fields',
      'select 1\0\0\u0001X',
      [],
      ['400 invalid_request', '400 08P01'],
    ],
    ['a NUL in a parameter', 'select $1::text', ['a\0b'], ['400 22021']],
    ['a text over the cap', `select '${'x'.repeat(100_000)}'`, [], ['413 body_too_large', '413 54000']],
    [
      'a text that nests',
      `select ${'('.repeat(20_000)}1${')'.repeat(20_000)}`,
      [],
      ['400 42601', '400 54001'],
    ],
    [
      '20,000 parameters of none',
      'select 1',
      Array.from({ length: 20_000 }, () => 'x'),
      ['400 42P18', '400 08P01'],
    ],
    ['a parameter that nests', 'select $1', [deep(3_000)], ['400 invalid_request', '400 08P01']],
    ['too many columns', `select ${Array.from({ length: 1_700 }, (_, n) => n).join()}`, [], ['400 54011']],
    ['COPY out', 'copy notes to stdout', [], ['400 unsupported', '400 0A000']],
    ['COPY in', 'copy notes from stdin', [], ['400 unsupported', '400 0A000']],
    [
      'a gigabyte in rows',
      "select repeat('x', 10000000) from generate_series(1, 100)",
      [],
      ['507 result_too_large', '507 54000'],
    ],
    ['a flood of notices', flood(100, 5_000), [], ['507 result_too_large', '507 54000']],
  ])(
    'sends %s: that is refused, and its next request has a clean room',
    async (what, sql, params, reasons) => {
      const answer = await ground.door(name).ask(sql, params)
      expect(reasons).toContain(reasonOf(answer))
      await expectCleanRoom(ground.door('query'), fresh, what)
    },
  )

  it('raises a notice, of which neither an answer nor the log tells', async () => {
    const answer = await ground.door(name).ask(flood(1, 1))
    expect(answer.status).toBe(200)
    expect(answer.text).not.toContain(notice)
    expect(ground.http.logLines.filter((line) => line.includes(notice))).toEqual([])
  })
})

/** Far below the cap on bodies, and far above it once unpacked. */
const PACKED = gzipSync(`{"sql":"select 1","query":"select 1"${' '.repeat(50_000_000)}}`)
const NESTED = Buffer.from(
  `{"sql":"select 1","query":"select 1","params":${'['.repeat(40_000)}${']'.repeat(40_000)}}`,
)

describe.each([
  ['/v1/query', () => ({ authorization: `Bearer ${ground.tenantKey}` })],
  ['/sql', () => neonHeaders(ground.tenantKey, 'evil')],
] as const)('a request to %s', (path, headers) => {
  it.each([
    ['compressed', PACKED, { 'content-encoding': 'gzip' }],
    ['compressed, and told to be JSON', PACKED, { 'content-type': 'application/json' }],
    ['nested 40,000 deep', NESTED, {}],
    ['no text', Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d]), {}],
  ])('is refused where its body is %s', async (_, body, more) => {
    const url = `http://127.0.0.1${path}`
    const init = { method: 'POST', headers: { ...headers(), ...more }, body: new Uint8Array(body) }
    const answer = await ground.http.tenants.request(url, init)
    const text = await answer.text()
    ground.http.keep(text)
    expect([answer.status, text.length < 1_000]).toEqual([400, true])
  })
})

/** A DO block that says so much to its client. */
function flood(length: number, times: number): string {
  return `do $$ begin for i in 1..${times} loop raise notice '%', repeat('${notice}', ${length}); end loop; end $$`
}

function deep(levels: number): unknown {
  return JSON.parse('['.repeat(levels) + ']'.repeat(levels))
}

const ENDLESS: readonly (readonly [string, readonly string[]])[] = [
  ['do $$ begin loop end loop; end $$', ['504 statement_timeout', '400 57014']],
  [
    'with recursive r as (select 1 n union all select n + 1 from r) select count(*) from r',
    ['504 statement_timeout', '400 57014'],
  ],
  [
    "select set_config('statement_timeout', '0', false), pg_sleep(600)",
    ['504 statement_timeout', '400 57014'],
  ],
  // It is told to end, and goes on: its backend is ended.
  [
    'do $$ begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$',
    ['502 outcome_unknown', '502 08007'],
  ],
]

describe('statements without end', () => {
  it('end at their limit, by whatever means, and leave nothing running', async () => {
    for (const name of FORMS) {
      const answers = await Promise.all(ENDLESS.map(([sql]) => ground.door(name).ask(sql)))
      for (const [at, [sql, reasons]] of ENDLESS.entries()) {
        const answer = answers[at]
        expect([sql, reasons]).toEqual([sql, expect.arrayContaining([answer && reasonOf(answer)])])
      }
    }
    await expectCleanRoom(ground.door('query'), fresh, 'after them')
    const running = async () => {
      const [row] = await ground.http.world.server.query<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where datname = $1 and state <> 'idle'`,
        [ground.http.world.placeOf('evil').database],
      )
      return row?.n
    }
    await vi.waitFor(async () => expect(await running()).toBe(0), { timeout: 10_000 })
  })
})

describe('another tenant, meanwhile,', () => {
  it('is served as ever, by connections that nobody ended', async () => {
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  })
})

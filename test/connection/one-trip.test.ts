import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Statement, TypeProfile } from '../../src/connection/connection.ts'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { Message } from '../../src/connection/message-reader.ts'
import { readStorage } from '../../src/connection/row-description.ts'
import { type Ground, startGround } from './ground.ts'

const STATEMENTS = 300
const TEXTS: TypeProfile = { parsers: {}, serializers: {}, blanks: 0 }

let ground: Ground
let connection: DriverConnection
beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
})
afterAll(() => ground[Symbol.asyncDispose]())

interface Case {
  readonly statement: Partial<Statement> & { readonly text: string }
  /** Rows, or the SQLSTATE or code of the error. */
  readonly gives: unknown
  readonly isCancelled?: boolean
}

/** Columns and values that no other statement has, and ways to fail before, between and after rows. */
function caseOf(n: number): Case {
  const [a, b] = [`${n}a`, `${n}b`]
  const cases: Case[] = [
    {
      statement: { text: `select $1::text as "${a}", $2::text as "${b}"`, params: [a, b] },
      gives: [[a, b]],
    },
    { statement: { text: `select $1::text as "${a}"`, params: [b] }, gives: [[b]] },
    { statement: { text: `select $1::int as "${a}" where false`, params: ['1'] }, gives: [] },
    { statement: { text: `select set_config('x.y', $1, false) as "${a}"`, params: [a] }, gives: [[a]] },
    { statement: { text: `select nowhere_${n}`, params: [] }, gives: '42703' },
    { statement: { text: `select $1::int as "${a}"`, params: ['none'] }, gives: '22P02' },
    {
      statement: {
        text: `select 1 / (3 - x) as "${a}", repeat('x', 9000) from generate_series(1, $1::int) x`,
        params: ['5'],
      },
      gives: '22012',
    },
    {
      statement: { text: `select $1::text, pg_sleep(9) from generate_series(1, 3)`, params: [a] },
      gives: 'cancelled',
      isCancelled: true,
    },
    { statement: { text: `select $1::text as "kept"`, params: [a], prepare: true }, gives: [[a]] },
    { statement: { text: '', params: [] }, gives: [] },
    { statement: { text: `set x.y to '${a}'`, params: [] }, gives: [] },
  ]
  // Never undefined: the number is below the length.
  return cases[Math.floor(Math.random() * cases.length)] as Case
}

async function run({
  statement,
  isCancelled,
}: Case): Promise<{ readonly gives: unknown; readonly isOwn: boolean }> {
  const heard: number[] = []
  const hear = (type: number, body: Buffer) => {
    if (type === Message.rowDescription) heard.push(readStorage(body).length)
  }
  const terms = { prepare: false, rowMode: 'array', profile: TEXTS, hear } as const
  const result = connection.run({ ...terms, ...statement }).then(
    ({ rows, fields }) => ({ rows, names: fields.map(({ name }) => name) }),
    (error: { sqlstate?: string; code: string }) => error.sqlstate ?? error.code,
  )
  // One that comes before its statement ends nothing.
  while (isCancelled === true && connection.isBusy) await connection.cancel()
  const told = await result
  if (typeof told === 'string') return { gives: told, isOwn: true }
  const names = [...statement.text.matchAll(/"(\w+)"/g)].map(([, name]) => name)
  // Of a kept statement it is told once.
  const isDescribed = heard.every((columns) => columns === names.length)
  return { gives: told.rows, isOwn: isDescribed && told.names.join() === names.join() }
}

it('answers each statement that goes in one trip with its own columns and rows, whatever became of those before', async () => {
  for (let n = 0; n < STATEMENTS; n += 1) {
    const one = caseOf(n)
    const { text } = one.statement
    expect({ n, text, ...(await run(one)) }).toEqual({ n, text, gives: one.gives, isOwn: true })
  }
  expect(connection.isOpen).toBe(true)
})

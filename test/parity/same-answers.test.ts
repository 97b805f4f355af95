import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpWorld, startHttpWorld } from '../http/http-world.ts'
import { type Answer, byCsv, byHandle, byJson, byNeonProtocol, byPsql, type Rows } from './faces.ts'
import { STATEMENTS } from './statements.ts'

/** Each way has a tenant of its own, so that each begins with the same tables. */
const WAYS = ['sql', 'csv', 'json', 'neon', 'psql'] as const

let http: HttpWorld
let expected: readonly Answer[]
beforeAll(async () => {
  http = await startHttpWorld(WAYS)
  expected = await byPsql(http, 'psql', STATEMENTS)
})
afterAll(() => http[Symbol.asyncDispose]())

/** Statements that answered otherwise than psql was, each with both answers. */
async function differing<T>(
  ask: (statement: string) => Promise<T>,
  see: (answer: Answer, given: T) => unknown,
) {
  const found: unknown[] = []
  for (const [at, statement] of STATEMENTS.entries()) {
    const answer = expected[at]
    if (!answer) throw new Error(`psql left no answer to: ${statement}`)
    const given = await ask(statement)
    const wanted = see(answer, given)
    if (JSON.stringify(given) !== JSON.stringify(wanted)) found.push({ statement, given, wanted })
  }
  return found
}

const asItIs = (answer: Answer) => answer

describe('two hundred statements', () => {
  it('are that many, and psql has an answer to each', () => {
    expect(STATEMENTS.length).toBeGreaterThanOrEqual(200)
    expect(new Set(STATEMENTS).size).toBeGreaterThanOrEqual(195)
    const failed = STATEMENTS.filter((_, at) => 'sqlstate' in (expected[at] ?? {}))
    expect(failed).toEqual(STATEMENTS.slice(-20))
  })

  it('answer through router.sql as through psql', async () => {
    const sql = http.world.router.sql('sql')
    expect(await differing((statement) => byHandle(sql, statement), asItIs)).toEqual([])
  })

  it('answer through /v1/query as CSV as through psql', async () => {
    const key = await http.tenantKey('csv')
    expect(await differing((statement) => byCsv(http, key, statement), asItIs)).toEqual([])
  })

  it('answer through /sql as through psql', async () => {
    const key = await http.tenantKey('neon')
    expect(await differing((statement) => byNeonProtocol(http, key, 'neon', statement), asItIs)).toEqual([])
  })

  it('answer through /v1/query as JSON with the values that those texts stand for', async () => {
    const key = await http.tenantKey('json')
    const found = await differing(
      (statement) => byJson(http, key, statement),
      (answer, given) => {
        if ('sqlstate' in answer || 'sqlstate' in given) return answer
        return { types: given.types, rows: jsonOf(answer.rows, given.types, given.rows) }
      },
    )
    expect(found).toEqual([])
  })
})

const [BOOL, INT2, INT4, FLOAT4, FLOAT8, JSON_TEXT, JSONB] = [16, 21, 23, 700, 701, 114, 3802]

/** Of an array → of its elements, where those are more than texts. */
const ELEMENTS: ReadonlyMap<number | undefined, number> = new Map([
  [1000, BOOL],
  [1005, INT2],
  [1007, INT4],
  [1021, FLOAT4],
  [1022, FLOAT8],
  [199, JSON_TEXT],
  [3807, JSONB],
])

/** What the texts are in JSON. Which types are arrays is taken from what was given: the database made some itself. */
function jsonOf(texts: Rows, types: readonly number[], given: readonly (readonly unknown[])[]): unknown[][] {
  return texts.map((row, at) => row.map((text, column) => oneOf(text, types[column], given[at]?.[column])))
}

function oneOf(text: string | null, type: number | undefined, given?: unknown): unknown {
  if (text === null) return null
  if (Array.isArray(given) && type !== JSON_TEXT && type !== JSONB) return listOf(text, ELEMENTS.get(type))
  if (type === BOOL) return text === 't'
  if (type === INT2 || type === INT4) return Number(text)
  if (type === FLOAT4 || type === FLOAT8) return Number.isFinite(Number(text)) ? Number(text) : text
  if (type === JSON_TEXT || type === JSONB) return JSON.parse(text)
  return text
}

/** `[0:1]={1,NULL,"a \\"b\\""}`, whose bounds JSON has no place for. */
function listOf(text: string, element: number | undefined): unknown {
  const json = text
    .replace(/^\[[^{]*/, '')
    .replaceAll(/"((?:[^"\\]|\\.)*)"|[^{},"]+|[{}]/gs, (token, quoted?: string) => {
      if (token === '{') return '['
      if (token === '}') return ']'
      const value = quoted?.replaceAll(/\\(.)/gs, '$1') ?? (token === 'NULL' ? null : token)
      return JSON.stringify(oneOf(value, element))
    })
  return JSON.parse(json)
}

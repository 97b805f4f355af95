import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

let http: HttpWorld
let key: string
beforeAll(async () => {
  http = await startHttpWorld(['acme'])
  key = await http.tenantKey('acme')
  const { database } = http.world.placeOf('acme')
  await http.world.server.execute("create type mood as enum ('glad', 'so so')", database)
})
afterAll(() => http[Symbol.asyncDispose]())

const textOf = async (sql: string, format: string) =>
  (await http.ask('/v1/query', { key, body: { sql, format } })).text

describe('a stream', () => {
  it('of JSON lines keeps a row on its line, whatever blanks a document of its has', async () => {
    const document = '{"a":\n[1,\r\n2]}\n'
    const text = await textOf(
      `select '${document}'::json as j, array['\n1\n'::json] as list, e'x\\ny' as t`,
      'ndjson',
    )
    const lines = text.trimEnd().split(/[\r\n]+/)
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[0] ?? '')).toEqual({ j: { a: [1, 2] }, list: [1], t: 'x\ny' })
  })

  it('of CSV has arrays of types that only the database knows as Postgres writes them', async () => {
    expect(await textOf("select array['glad', 'so so']::mood[] as moods", 'csv')).toBe(
      'moods\r\n"{glad,""so so""}"\r\n',
    )
  })
})

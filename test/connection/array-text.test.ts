import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readArray, writeArray } from '../../src/connection/array-text.ts'
import { ARRAY_OF, arrayDelimiter } from '../../src/connection/builtin-arrays.ts'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { type Ground, startGround } from './ground.ts'

let ground: Ground
let connection: DriverConnection

beforeAll(async () => {
  ground = await startGround()
  connection = await ground.open()
})
afterAll(() => ground[Symbol.asyncDispose]())

describe('the text of an array', () => {
  const element = fc.oneof(
    fc.string({ unit: fc.constantFrom(...Array.from('{}",\\ NULabé')) }),
    fc.constant(null),
  )

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(fc.array(element, { minLength: 1 })), (values) => {
        expect(readArray(writeArray(values, String))).toEqual(values)
      }),
    )
  })

  it('is read and written as Postgres does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(element, { maxLength: 6 }), async (values) => {
        const { rows } = await connection.run({
          text: 'select $1::text[] as same, $1::text[]::text as text, cardinality($1::text[]) as size',
          params: [values],
        })
        const [row] = rows as { same: unknown; text: string; size: number }[]
        expect(row?.same).toEqual(values)
        expect(readArray(row?.text ?? '')).toEqual(values)
        expect(row?.size).toBe(values.length)
      }),
      { numRuns: 50 },
    )
  })

  it('may state its lower bound, and boxes are parted by semicolons', () => {
    expect(readArray('[0:1]={1,2}', Number)).toEqual([1, 2])
    expect(readArray('[2:2][0:1]={{1,2}}', Number)).toEqual([[1, 2]])
    expect(readArray('{(1,1),(0,0);(2,2),(1,1)}', String, ';')).toEqual(['(1,1),(0,0)', '(2,2),(1,1)'])
  })

  it('that ends too early or is none is refused', () => {
    for (const text of ['', 'x', '{', '{1', '{{1}']) expect(() => readArray(text)).toThrow(TypeError)
  })
})

it.each([15, 18] as const)('the table of array types is that of Postgres %i', async (version) => {
  const rows = await sharedPostgres(version).query<{ oid: number; typarray: number; typdelim: string }>(
    `select oid::int, typarray::int, typdelim from pg_type
     where typarray <> 0 and oid < 16384 and typtype <> 'c' and typnamespace = 'pg_catalog'::regnamespace`,
  )
  const known = Object.fromEntries(rows.map(({ oid, typarray }) => [oid, typarray]))
  expect(known).toMatchObject(ARRAY_OF)
  for (const { oid, typarray, typdelim } of rows)
    expect([oid, ARRAY_OF[oid] === undefined ? typdelim : arrayDelimiter(typarray)]).toEqual([oid, typdelim])
})

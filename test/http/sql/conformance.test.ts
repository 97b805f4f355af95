import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CASES } from './cases/all.ts'
import { EXPRESSIONS } from './cases/exact-text.ts'
import { type SqlEndpoint, SqlGround } from './sql-ground.ts'

let ground: SqlGround
let endpoint: SqlEndpoint
beforeAll(async () => {
  ground = await SqlGround.open()
  endpoint = ground.endpoint()
})
afterAll(() => ground[Symbol.asyncDispose]())

it('has 61 expressions and 41 parameters, as those by which the protocol was studied', () => {
  expect([EXPRESSIONS.length, CASES['parameters']?.length]).toEqual([61, 41])
})

describe.each(Object.entries(CASES))('POST /sql: %s', (_, cases) => {
  it.each(cases)('$name', async ({ run }) => {
    await expect(run(endpoint)).resolves.toBeUndefined()
  })
})

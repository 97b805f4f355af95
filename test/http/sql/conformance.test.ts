import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CASES } from './cases/all.ts'
import { type SqlEndpoint, SqlGround } from './sql-ground.ts'

let ground: SqlGround
let endpoint: SqlEndpoint
beforeAll(async () => {
  ground = await SqlGround.open()
  endpoint = ground.endpoint()
})
afterAll(() => ground[Symbol.asyncDispose]())

describe.each(Object.entries(CASES))('POST /sql: %s', (_, cases) => {
  it.each(cases)('$name', async ({ run }) => {
    await expect(run(endpoint)).resolves.toBeUndefined()
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CASES } from './cases/all.ts'
import { FAULTS } from './faults.ts'
import { SqlGround } from './sql-ground.ts'

let ground: SqlGround
beforeAll(async () => {
  ground = await SqlGround.open()
})
afterAll(() => ground[Symbol.asyncDispose]())

/** Each is one of the conformance run, where it passes without the fault. */
function caseOf(name: string) {
  const found = Object.values(CASES)
    .flat()
    .find((one) => one.name === name)
  if (!found) throw new Error(`there is no case "${name}"`)
  return found
}

describe('a service that does one thing wrong', () => {
  it('can do each of 16 things wrong', () => {
    expect(new Set(FAULTS.map(({ what }) => what)).size).toBe(16)
  })

  it.each(FAULTS)('is found out by a case: $what', async ({ what, caughtBy, hop }) => {
    const host = `acme.${what.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()}.test`
    const faulty = ground.endpoint(host, ground.key, hop)
    await expect(caseOf(caughtBy).run(faulty)).rejects.toMatchObject({ name: 'AssertionError' })
    // The fault is the reason: without it the same case passes.
    await expect(caseOf(caughtBy).run(ground.endpoint())).resolves.toBeUndefined()
  })
})

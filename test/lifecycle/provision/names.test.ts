import { expect, it } from 'vitest'
import { chooseNames, rolesOf } from '../../../src/lifecycle/provision/names.ts'

/** Postgres cuts a longer name, with a notice at most: two of them would be one database. */
const MAX_BYTES = 63

it('names of databases and roles are whole in Postgres, tell nothing, and are never those of two tenants', () => {
  const chosen = Array.from({ length: 1_000 }, () => chooseNames())
  const names = chosen.flatMap((one) => [one.database, ...rolesOf(one)])
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) {
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(MAX_BYTES - '_h99'.length)
    expect(name).toMatch(/^t_[a-z2-7]{26}(?:_[a-z]+)?$/)
  }
})

import { expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { countFault } from '../../src/query/neon/parameter-count.ts'

it('a parameter too many is told in a text that names as many as a body holds', () => {
  const told = new SqlError({ code: '42P18', message: 'could not determine data type of parameter $2' })
  expect(countFault(told, `select $1 /* ${'$1'.repeat(500_000)} */`, 2)).toMatchObject({
    sqlstate: '08P01',
    publicDetail: 'bind message supplies 2 parameters, but prepared statement "" requires 1',
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InternalError, InvalidRequestError } from '../../src/errors.ts'
import { assertNoTransactionControl, refuseTransactionControl } from '../../src/query/transaction-control.ts'

const isRefused = (sql: string) => {
  try {
    refuseTransactionControl(sql, 'It')
    return false
  } catch (error) {
    return error instanceof InvalidRequestError
  }
}

describe('transaction control', () => {
  it('is found behind any blanks and comments', () => {
    const blank = fc.constantFrom(
      ' ',
      '\n',
      '\t',
      '\r\n',
      ';',
      '-- x\n',
      '--\r',
      '/* y */',
      '/* a /* b */ c */',
      '/**/',
    )
    const word = fc.constantFrom(
      'commit',
      'COMMIT',
      'Rollback',
      'begin',
      'end',
      'abort',
      'start transaction',
      'savepoint s',
    )
    fc.assert(
      fc.property(fc.array(blank), word, (blanks, sql) => {
        expect(isRefused(blanks.join('') + sql)).toBe(true)
      }),
    )
  })

  it.each([
    'select 1',
    'committed',
    'begins()',
    '/* commit */ select 1',
    '-- commit\nselect 1',
    '"commit"',
    "select 'x'; commit",
    'with a as (select 1) select * from a',
    '/* never closed commit',
    '',
  ])('is not %j', (sql) => {
    expect(isRefused(sql)).toBe(false)
  })

  it('is looked for in linear time', () => {
    const startedAt = performance.now()
    refuseTransactionControl(`${'/**/ -- \n;'.repeat(20_000)}select 1`, 'It')
    refuseTransactionControl('/*'.repeat(100_000), 'It')
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  it('is a defect of ours where the server says that it happened', () => {
    expect(() => assertNoTransactionControl('COMMIT')).toThrow(InternalError)
    expect(() => assertNoTransactionControl('SELECT')).not.toThrow()
  })
})

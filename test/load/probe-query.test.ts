import { describe, expect, it } from 'vitest'
import { judge } from '../../src/load/probe-query.ts'

const row = (n: number, database = 'app_acme') => ({ database, n, payload: 'x' })
const answer = (rows: unknown, status = 200) => ({ status, body: JSON.stringify({ rows }) })

describe('the check of an answer', () => {
  it('takes the rows that were asked for, all of the right database', () => {
    expect(judge(answer([row(1), row(2)]), 'app_acme', 2)).toEqual({ kind: 'right' })
  })

  it('finds one row of another database among right ones', () => {
    const verdict = judge(answer([row(1), row(2, 'app_globex')]), 'app_acme', 2)
    expect(verdict).toEqual({ kind: 'wrong', found: 'a row of app_globex' })
  })

  it('finds rows that are missing, doubled or shifted', () => {
    expect(judge(answer([row(1)]), 'app_acme', 2)).toEqual({ kind: 'wrong', found: '1 rows' })
    expect(judge(answer([row(1), row(1)]), 'app_acme', 2)).toEqual({
      kind: 'wrong',
      found: 'row 2 is another',
    })
    expect(judge(answer([null, row(2)]), 'app_acme', 2)).toMatchObject({ kind: 'wrong' })
  })

  it('calls an answer that is not JSON, or has no rows, wrong', () => {
    expect(judge({ status: 200, body: '<html>' }, 'app_acme', 1)).toEqual({ kind: 'wrong', found: 'no rows' })
    expect(judge({ status: 200, body: 'null' }, 'app_acme', 1)).toEqual({ kind: 'wrong', found: 'no rows' })
  })

  it('names a failure by the code of its problem, else by its status', () => {
    const problem = JSON.stringify({ code: 'acquire_timeout', status: 503 })
    expect(judge({ status: 503, body: problem }, 'app_acme', 1)).toEqual({
      kind: 'failed',
      code: 'acquire_timeout',
    })
    expect(judge({ status: 502, body: 'Bad gateway' }, 'app_acme', 1)).toEqual({
      kind: 'failed',
      code: 'http_502',
    })
  })
})

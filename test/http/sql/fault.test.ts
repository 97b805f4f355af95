import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as errors from '../../../src/errors.ts'
import { faultOf } from '../../../src/http/neon/sql-fault.ts'
import { STATUS } from '../../../src/http/problem.ts'
import { AnswerSchemas } from '../answer-schemas.ts'
import { SqlGround } from './sql-ground.ts'

const lastWords = { severity: 'FATAL', sqlstate: '57P01', message: 'ended by an administrator' }
const TOLD: readonly (readonly [error: errors.TenantryError, status: number, sqlstate: string])[] = [
  [new errors.RateLimitedError(60, 3), 429, '53400'],
  [new errors.ConcurrencyLimitedError(5), 429, '53400'],
  [new errors.RoleNotIsolatedError('x'), 400, '42501'],
  [new errors.TenantDeletedError('x'), 400, '3D000'],
  [new errors.TenantMovingError('x'), 423, '57P03'],
  [new errors.TooManyWaitersError('x'), 503, '53300'],
  [new errors.ServerUnavailableError('x'), 503, '08001'],
  [new errors.ConnectionLostError('x'), 502, '08006'],
  [new errors.ConnectionLostError('x', { lastWords }), 400, '57P01'],
  [new errors.OutcomeUnknownError('x'), 502, '08007'],
  [new errors.OutcomeUnknownError('x', { lastWords }), 400, '57P01'],
  [new errors.LeaseExpiredError('x'), 504, '57014'],
  [new errors.InternalError('x'), 500, 'XX000'],
]

describe('an error that is not of Postgres', () => {
  it.each(TOLD.map(([error, ...wanted]) => [error.name, error, wanted] as const))(
    '%s has a status and a state that the driver can act on',
    (_, error, wanted) => {
      const { status, body } = faultOf(error)
      expect([status, body.code]).toEqual(wanted)
      expect(body.message).toBe(wanted[1] === '57P01' ? lastWords.message : error.publicDetail)
    },
  )

  it('has a status of its own only where it is not the fault of the request', () => {
    const statuses = new Set(TOLD.map(([error]) => faultOf(error).status))
    expect([...statuses].toSorted((one, other) => one - other)).toEqual([400, 423, 429, 500, 502, 503, 504])
    expect(Object.values(STATUS)).toEqual(expect.arrayContaining([...statuses]))
  })
})

describe('the OpenAPI document', () => {
  let ground: SqlGround
  let schemas: AnswerSchemas
  beforeAll(async () => {
    ground = await SqlGround.open()
    schemas = new AnswerSchemas((await ground.http.ask('/openapi.json')).json)
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  it.each([
    ['a result', { query: "select 1 as a, null as b, '{}'::jsonb as c" }, 200],
    ['a batch', { queries: [{ query: 'select 1' }, { query: 'set local role none' }] }, 200],
    ['an empty statement', { query: '' }, 200],
    ['an error of SQL', { query: 'select 1/0' }, 400],
    ['a malformed body', {}, 400],
    ['a body that is too large', { query: ' '.repeat(200_000) }, 413],
    ['a result that is too large', { query: 'select generate_series(1, 2000)' }, 507],
  ])('describes the answer to %s', async (_, body, wanted) => {
    for (const headers of [undefined, {}]) {
      const { status, headers: told, json } = await ground.endpoint().post(body, headers)
      const heard = { status, type: told.get('content-type') ?? '', body: json }
      expect([status, schemas.faultsOf('POST /sql', heard)]).toEqual([wanted, []])
    }
  })
})

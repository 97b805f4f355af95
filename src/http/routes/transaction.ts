import { Hono } from 'hono'
import { z } from 'zod'
import type { QueryLimits } from '../../query/query-limits.ts'
import { ISOLATION_LEVELS, runTransaction } from '../../query/run-transaction.ts'
import type { Leasing } from '../../query/tenant-lease.ts'
import { jsonBody } from '../json-body.ts'
import { type AnswerTerms, answerJson } from '../large-answer.ts'
import type { TenantEnv } from '../request-context.ts'
import { Params, readOnlyFor, runOptions, Sql } from './query.ts'

export const MAX_STATEMENTS = 1_000

export const transactionBody = (limits: QueryLimits) =>
  z.strictObject({
    statements: z
      .array(z.strictObject({ sql: Sql, params: Params }))
      .min(1)
      .max(MAX_STATEMENTS),
    isolation: z.enum(ISOLATION_LEVELS).default('read committed'),
    ...runOptions(limits),
  })

export const transactionRoute = (router: Leasing, limits: QueryLimits, terms: AnswerTerms) => {
  const TransactionBody = transactionBody(limits)
  return new Hono<TenantEnv>().post('/v1/transaction', async (c) => {
    const body = await jsonBody(c.req, TransactionBody)
    const caller = c.get('caller')
    const input = { ...body, readOnly: readOnlyFor(caller, body.readOnly) }
    return answerJson(c, terms, (held) =>
      runTransaction(router, caller, input, limits, held, c.get('signal')),
    )
  })
}

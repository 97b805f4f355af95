import { type Context, Hono, type MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { type NeonRequest, runNeon } from '../../query/neon/run-neon.ts'
import type { QueryLimits } from '../../query/query-limits.ts'
import type { Leasing } from '../../query/tenant-lease.ts'
import type { CallerResolver } from '../../resolve/caller-resolver.ts'
import { reasonOf } from '../answer-errors.ts'
import { checked, parsed } from '../json-body.ts'
import { type AnswerTerms, answerJson } from '../large-answer.ts'
import { connectionStringCaller } from '../middleware/connection-string-caller.ts'
import { bodyWithin } from '../neon/body-within.ts'
import { drainBody } from '../neon/drain-body.ts'
import { faultOf } from '../neon/sql-fault.ts'
import { echo, isTold, NeonHeader, neonHeaders, preflight, transactionOf } from '../neon/sql-headers.ts'
import type { TenantEnv } from '../request-context.ts'
import { MAX_PARAMETERS } from './query.ts'
import { MAX_STATEMENTS } from './transaction.ts'

/** What else a client sends is not ours to refuse. */
const Query = z.object({
  query: z.string(),
  params: z.array(z.unknown()).max(MAX_PARAMETERS).nullish(),
  /** Goes before the header. */
  arrayMode: z.boolean().nullish(),
})
const Batch = z.object({ queries: z.array(Query).max(MAX_STATEMENTS) })
export const sqlBody = z.union([Query, Batch])

/** The HTTP protocol of `@neondatabase/serverless`. Its credential is in the connection string. */
export const sqlRoute = (
  router: Leasing,
  callers: CallerResolver,
  limits: QueryLimits,
  terms: AnswerTerms & { readonly maxBodyBytes: number; readonly limited: MiddlewareHandler<TenantEnv> },
) => {
  const app = new Hono<TenantEnv>()
  app.onError(answerFault)
  app.use('/sql', neonHeaders)
  app.options('/sql', preflight)
  app.post('/sql', connectionStringCaller(callers), terms.limited, async (c) => {
    const request = requestOf(c, parsed(await bodyWithin(c, terms.maxBodyBytes)))
    const answer = await answerJson(c, terms, (held) =>
      runNeon(router, c.get('caller'), request, limits, held, c.get('signal')),
    )
    if (request.transaction) echo(c, request.transaction)
    return answer
  })
  return app
}

function requestOf(c: Context<TenantEnv>, body: unknown): NeonRequest {
  const isBatch = typeof body === 'object' && body !== null && 'queries' in body
  const queries = isBatch ? checked(body, Batch).queries : [checked(body, Query)]
  const arrayMode = isTold(c, NeonHeader.arrayMode)
  return {
    queries: queries.map((one) => ({
      query: one.query,
      params: one.params ?? [],
      arrayMode: one.arrayMode ?? arrayMode,
    })),
    transaction: isBatch ? transactionOf(c) : undefined,
    isText: isTold(c, NeonHeader.rawText),
  }
}

async function answerFault(error: unknown, c: Context<TenantEnv>): Promise<Response> {
  const told = reasonOf(error, c.get('signal'))
  c.error = told // so that the log says the same
  await drainBody(c)
  const { status, body } = faultOf(told)
  c.header('content-type', 'application/json')
  if (told.retryAfterSeconds !== undefined) c.header('retry-after', String(told.retryAfterSeconds))
  // Hono's type knows no 499, which is 400 here.
  return c.body(JSON.stringify(body), status as ContentfulStatusCode)
}

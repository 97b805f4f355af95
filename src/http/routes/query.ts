import { Hono } from 'hono'
import { z } from 'zod'
import { ForbiddenError } from '../../errors.ts'
import type { QueryLimits } from '../../query/query-limits.ts'
import { runQuery } from '../../query/run-query.ts'
import { runStream } from '../../query/run-stream.ts'
import type { Leasing } from '../../query/tenant-lease.ts'
import type { Caller } from '../../resolve/caller.ts'
import { jsonBody } from '../json-body.ts'
import { type AnswerTerms, answerJson } from '../large-answer.ts'
import type { TenantEnv } from '../request-context.ts'
import { answerStream, STREAM_FORMATS } from '../stream-answer.ts'

/** What Postgres takes in one Bind message. */
export const MAX_PARAMETERS = 65_535

export const Sql = z
  .string()
  .min(1)
  // Postgres reads a text up to its first NUL, and what follows as further fields of the message.
  .refine((text) => !text.includes('\0'), 'must not hold a NUL character')

export const Params = z.array(z.unknown()).max(MAX_PARAMETERS).default([])

/** What single statements and transactions have in common. */
export const runOptions = (limits: QueryLimits) => ({
  readOnly: z.boolean().optional(),
  timeoutMs: z.int().min(1).max(limits.statementTimeoutMs).optional(),
  rowMode: z.enum(['object', 'array']).default('object'),
})

export const queryBody = (limits: QueryLimits) =>
  z.strictObject({
    sql: Sql,
    params: Params,
    format: z.enum(['json', ...STREAM_FORMATS]).default('json'),
    ...runOptions(limits),
  })

export const queryRoute = (router: Leasing, limits: QueryLimits, terms: AnswerTerms) => {
  const QueryBody = queryBody(limits)
  return new Hono<TenantEnv>().post('/v1/query', async (c) => {
    const { format, ...body } = await jsonBody(c.req, QueryBody)
    const caller = c.get('caller')
    const input = { ...body, readOnly: readOnlyFor(caller, body.readOnly) }
    if (format === 'json')
      return answerJson(c, terms, (held) => runQuery(router, caller, input, limits, held, c.get('signal')))
    return answerStream(c, terms, format, input.rowMode, ({ signal, ...stream }) =>
      runStream(router, caller, input, stream, limits, signal),
    )
  })
}

/**
 * A read-only key reads only; to say otherwise is refused.
 * @throws {ForbiddenError}
 */
export function readOnlyFor(caller: Caller, asked: boolean | undefined): boolean {
  if (caller.key.readOnly && asked === false)
    throw new ForbiddenError(`key ${caller.key.id} is read-only and the request says readOnly: false`)
  return caller.key.readOnly || (asked ?? false)
}

import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { InvalidRequestError } from '../../errors.ts'
import type { NeonTransaction } from '../../query/neon/run-neon.ts'
import { answerHeader } from '../answer-header.ts'
import type { TenantEnv } from '../request-context.ts'

/** Names of the protocol's headers, as the client writes them. */
export const NeonHeader = {
  connectionString: 'Neon-Connection-String',
  rawText: 'Neon-Raw-Text-Output',
  arrayMode: 'Neon-Array-Mode',
  isolation: 'Neon-Batch-Isolation-Level',
  readOnly: 'Neon-Batch-Read-Only',
  deferrable: 'Neon-Batch-Deferrable',
  poolOptIn: 'Neon-Pool-Opt-In',
} as const
const REQUEST_ID = 'Neon-Request-Id'

const ISOLATION: Readonly<Record<string, NeonTransaction['isolation']>> = {
  ReadUncommitted: 'read uncommitted',
  ReadCommitted: 'read committed',
  RepeatableRead: 'repeatable read',
  Serializable: 'serializable',
}
const PREFLIGHT = {
  allow: 'OPTIONS, POST',
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers': ['Authorization', 'Content-Type', ...Object.values(NeonHeader)].join(', '),
  /** Seconds. */
  'access-control-max-age': '86400',
}

/** On every answer, refusals too: browsers may read it, and it can be named when asking for support. */
export const neonHeaders = createMiddleware<TenantEnv>(async (c, next) => {
  await next()
  answerHeader(c, 'access-control-allow-origin', '*')
  answerHeader(c, 'access-control-expose-headers', REQUEST_ID)
  answerHeader(c, REQUEST_ID, c.get('requestId'))
})

/** What a browser asks before it sends a request with headers of its own. */
export function preflight(c: Context<TenantEnv>): Response {
  return c.body(null, 200, PREFLIGHT)
}

/** Only the exact text says yes. */
export function isTold(c: Context<TenantEnv>, name: string): boolean {
  return c.req.header(name) === 'true'
}

/** @throws {InvalidRequestError} an isolation level that there is not. */
export function transactionOf(c: Context<TenantEnv>): NeonTransaction {
  const level = c.req.header(NeonHeader.isolation)
  if (level !== undefined && !Object.hasOwn(ISOLATION, level))
    throw new InvalidRequestError(
      `${NeonHeader.isolation} must be one of: ${Object.keys(ISOLATION).join(', ')}.`,
    )
  return {
    isolation: level === undefined ? undefined : ISOLATION[level],
    readOnly: isTold(c, NeonHeader.readOnly),
    deferrable: isTold(c, NeonHeader.deferrable),
  }
}

/** Tells which of a batch's options took effect. */
export function echo(c: Context<TenantEnv>, transaction: NeonTransaction): void {
  const level = c.req.header(NeonHeader.isolation)
  if (level !== undefined) answerHeader(c, NeonHeader.isolation, level)
  if (transaction.readOnly) answerHeader(c, NeonHeader.readOnly, 'true')
  if (transaction.deferrable) answerHeader(c, NeonHeader.deferrable, 'true')
}

import type { Context } from 'hono'
import { routePath } from 'hono/route'
import type { ErrorCode, TenantryError } from '../errors.ts'
import type { Log } from '../telemetry/log.ts'
import { asTenantryError } from './problem.ts'
import type { RequestEnv } from './request-context.ts'

/** Told of every request when it has been answered, and of answers that failed after their first byte. */
export interface RequestObserver {
  requestAnswered(route: string, status: number, seconds: number): void
  answerBroken(code: ErrorCode): void
}

export interface Observation {
  readonly observer: RequestObserver
  readonly log: Log
}

/**
 * Counts a request that was answered and logs it: one line each at debug, and one for what an operator should
 * know of: our defects at error, what the servers behind us did at warn.
 */
export function observe(
  c: Context<RequestEnv>,
  plane: 'tenant' | 'operator',
  seconds: number,
  { observer, log }: Observation,
): void {
  const { status } = c.res
  const route = routeOf(routePath(c, -1))
  observer.requestAnswered(route, status, seconds)
  const [requestId, client] = [c.get('requestId'), c.get('client')]
  const fields = { plane, requestId, client, method: c.req.method, route, status, seconds }
  if (c.error) logError(log, asTenantryError(c.error), fields)
  else log.debug(fields, 'request answered')
}

/** As `observe`, of an answer that has begun: its status says nothing of the error any more. */
export function observeBroken(
  requestId: string,
  error: TenantryError,
  status: number,
  { observer, log }: Observation,
): void {
  observer.answerBroken(error.code)
  logError(log, error, { plane: 'tenant', requestId, status, isBroken: true })
}

/** Never the path itself: whoever chose it would choose the labels of our metrics. */
function routeOf(pattern: string): string {
  return pattern.includes('*') ? 'none' : pattern
}

function logError(
  log: Log,
  error: TenantryError,
  fields: { readonly status: number; readonly [name: string]: unknown },
): void {
  const line = { ...fields, code: error.code, err: error }
  if (fields.status === 500) log.error(line, 'request failed by a defect')
  else if (fields.status > 500) log.warn(line, 'request failed')
  else log.debug(line, 'request refused')
}

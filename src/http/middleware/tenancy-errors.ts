import { inspect } from 'node:util'
import type { Context, ErrorHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { TenantryError } from '../../errors.ts'
import { answerProblem, asTenantryError, problemHeaders, problemOf } from '../problem.ts'
import { requestIdOf } from '../request-id.ts'

/** Wrappings that are looked into: an ORM makes one, the application may make another. */
const MAX_WRAPPINGS = 5

/**
 * For `app.onError`: answers errors of this package as problem details (RFC 9457), wherever in the application they
 * were thrown, also where an ORM has wrapped them (as `cause`, or TypeORM's `driverError`).
 * @param otherwise answers all others. Default: as Hono does, an `HTTPException` by its own response, and anything else
 * by status 500 and a line to standard error.
 */
export function tenancyErrors(otherwise: ErrorHandler = answerDefect): ErrorHandler {
  return (error, c) => {
    const own = ownWithin(error)
    return own ? answerProblem(c, own, idOf(c)) : otherwise(error, c)
  }
}

function ownWithin(error: Error): TenantryError | undefined {
  let inner: unknown = error
  for (let depth = 0; depth <= MAX_WRAPPINGS && inner instanceof Error; depth += 1) {
    if (inner instanceof TenantryError) return inner
    inner = inner.cause ?? ('driverError' in inner ? inner.driverError : undefined)
  }
  return undefined
}

/**
 * A refusal as Hono's own exception: an application without `onError` answers it right, and one with sees it, with the
 * error of ours as its cause. Its message is what callers may know, since many an application shows it. It leaves no
 * header on the context for an answer that the application makes instead.
 */
export function refusal(c: Context, error: TenantryError): HTTPException {
  const problem = problemOf(error, idOf(c))
  const { status } = problem
  const res = new Response(JSON.stringify(problem), { status, headers: problemHeaders(error, problem) })
  // Hono's type knows no 499, which nobody reads.
  return new HTTPException(status as ContentfulStatusCode, { res, cause: error, message: error.publicDetail })
}

/** As `hono/request-id` leaves it, where the application uses that. */
function idOf(c: Context): string {
  return requestIdOf(c.get('requestId'))
}

function answerDefect(error: Error, c: Context): Response {
  if (error instanceof HTTPException) return error.getResponse()
  process.stderr.write(`${inspect(error)}\n`)
  return answerProblem(c, asTenantryError(error), idOf(c))
}

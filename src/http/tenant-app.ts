import { Hono } from 'hono'
import type { Limiter } from '../limits/limiter.ts'
import { HeldBytes } from '../query/held-bytes.ts'
import type { QueryLimits } from '../query/query-limits.ts'
import type { CallerResolver } from '../resolve/caller-resolver.ts'
import type { TenantRouter } from '../router/tenant-router.ts'
import type { Log } from '../telemetry/log.ts'
import { answerErrors } from './answer-errors.ts'
import type { Health } from './health.ts'
import { bodyCap } from './middleware/body-cap.ts'
import { framed } from './middleware/framed.ts'
import { limitedCaller } from './middleware/limited-caller.ts'
import { resolvedCaller } from './middleware/resolved-caller.ts'
import { openApi } from './openapi/openapi-route.ts'
import type { TenantEnv } from './request-context.ts'
import type { RequestObserver } from './request-observation.ts'
import { queryRoute } from './routes/query.ts'
import { sqlRoute } from './routes/sql.ts'
import { tenantRoute } from './routes/tenant.ts'
import { tenantDocument } from './routes/tenant-document.ts'
import { transactionRoute } from './routes/transaction.ts'

export interface TenantAppDeps {
  readonly router: Pick<TenantRouter, 'lease' | 'stats'>
  readonly callers: CallerResolver
  readonly limits: QueryLimits
  /** How many requests a tenant may make. */
  readonly limiter: Pick<Limiter, 'enter' | 'look'>
  /** What all JSON answers together may hold. */
  readonly maxBufferedBytes: number
  /** Milliseconds that a client may take for the next part of its answer. */
  readonly stallMs: number
  readonly maxBodyBytes: number
  /** Milliseconds for a whole request, waiting for a connection included. */
  readonly requestTimeoutMs: number
  readonly health: Health
  readonly observer: RequestObserver
  readonly log: Log
}

/** The tenant plane: SQL of tenants and of the team's own backend. */
export function tenantApp(deps: TenantAppDeps): Hono<TenantEnv> {
  const { router, limits, limiter, stallMs, observer, log } = deps
  const terms = { held: new HeldBytes(deps.maxBufferedBytes), stallMs, observer, log }
  const app = new Hono<TenantEnv>()
  app.use(framed('tenant', deps))
  app.get(
    '/openapi.json',
    openApi(() => tenantDocument(limits)),
  )
  app.use('/v1/*', resolvedCaller(deps.callers), bodyCap(deps.maxBodyBytes))
  // Not before /v1/tenant: who has reached a limit may see which.
  const limited = limitedCaller(limiter)
  for (const path of ['/v1/query', '/v1/transaction']) app.use(path, limited)
  app.route('/', queryRoute(router, limits, terms))
  app.route('/', transactionRoute(router, limits, terms))
  app.route('/', tenantRoute(router, limits, limiter))
  app.route(
    '/',
    sqlRoute(router, deps.callers, limits, { ...terms, maxBodyBytes: deps.maxBodyBytes, limited }),
  )
  answerErrors(app)
  return app
}

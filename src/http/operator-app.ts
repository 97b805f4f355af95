import { type Handler, Hono } from 'hono'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import type { KeyVerifier } from '../resolve/key-verifier.ts'
import type { TenantRouter } from '../router/tenant-router.ts'
import type { Log } from '../telemetry/log.ts'
import { type Access, OPERATOR_ROUTES, type OperatorRoute } from './admin/access.ts'
import { livez, readyz, startupz } from './admin/health-routes.ts'
import { keyCreate, keyList, keyRevoke } from './admin/key-routes.ts'
import { type MetricsSource, metricsText } from './admin/metrics-route.ts'
import type { PoolEventStreams } from './admin/pool-event-streams.ts'
import { poolEvents, poolsSnapshot } from './admin/pool-routes.ts'
import { serverAccept, serverAdd, serverList } from './admin/server-routes.ts'
import {
  tenantAdd,
  tenantCheck,
  tenantEvict,
  tenantList,
  tenantResume,
  tenantShow,
  tenantSuspend,
} from './admin/tenant-routes.ts'
import { answerErrors } from './answer-errors.ts'
import type { Health } from './health.ts'
import type { LoopLag } from './loop-lag.ts'
import { bodyCap } from './middleware/body-cap.ts'
import { countedMutations } from './middleware/counted-mutations.ts'
import { framed } from './middleware/framed.ts'
import { requiredRole } from './middleware/required-role.ts'
import type { Mutations } from './mutations.ts'
import type { OperatorEnv } from './request-context.ts'
import type { RequestObserver } from './request-observation.ts'

export interface OperatorAppDeps {
  readonly router: Pick<TenantRouter, 'stats' | 'evict'>
  readonly lifecycle: LifecycleParts
  readonly keys: KeyVerifier
  readonly metrics: MetricsSource
  /** `open` is for a plane that only this machine can reach. */
  readonly metricsAccess: Extract<Access, 'open' | 'viewer'>
  readonly events: PoolEventStreams
  readonly mutations: Mutations
  readonly maxBodyBytes: number
  /** Milliseconds for a whole request: provisioning takes its time. */
  readonly requestTimeoutMs: number
  readonly health: Health
  readonly lag: Pick<LoopLag, 'isLate'>
  readonly observer: RequestObserver
  readonly log: Log
}

/** The operator plane. Its routes and who may use them are those of `OPERATOR_ROUTES`, no more and no fewer. */
export function operatorApp(deps: OperatorAppDeps): Hono<OperatorEnv> {
  const app = new Hono<OperatorEnv>()
  app.use(framed('operator', deps), countedMutations(deps.mutations))
  const access = { ...OPERATOR_ROUTES, 'GET /metrics': deps.metricsAccess }
  for (const [route, handler] of Object.entries(handlersOf(deps))) {
    const [method = '', path = ''] = route.split(' ')
    const wanted = access[route as OperatorRoute] // the keys of `handlersOf` are routes, which `entries` forgets
    if (wanted !== 'open') app.on(method, path, requiredRole(deps.keys, wanted))
    // After the role: nobody without a key makes us read a body.
    app.on(method, path, bodyCap(deps.maxBodyBytes), handler)
  }
  answerErrors(app)
  return app
}

function handlersOf(deps: OperatorAppDeps): Record<OperatorRoute, Handler<OperatorEnv>> {
  const { router, lifecycle, health, lag } = deps
  return {
    'GET /livez': livez,
    'GET /readyz': readyz(health, lag),
    'GET /startupz': startupz(health),
    'GET /metrics': metricsText(deps.metrics),
    'GET /v1/pools': poolsSnapshot(router),
    'GET /v1/pools/events': poolEvents(deps.events),
    'GET /v1/tenants': tenantList(lifecycle),
    'POST /v1/tenants': tenantAdd(lifecycle),
    'GET /v1/tenants/:id': tenantShow(lifecycle),
    'POST /v1/tenants/:id/suspend': tenantSuspend(lifecycle),
    'POST /v1/tenants/:id/resume': tenantResume(lifecycle),
    'POST /v1/tenants/:id/check': tenantCheck(lifecycle),
    'POST /v1/tenants/:id/evict': tenantEvict(lifecycle, router),
    'GET /v1/keys': keyList(lifecycle),
    'POST /v1/keys': keyCreate(lifecycle),
    'DELETE /v1/keys/:id': keyRevoke(lifecycle),
    'GET /v1/servers': serverList(lifecycle),
    'POST /v1/servers': serverAdd(lifecycle),
    'POST /v1/servers/:id/accept': serverAccept(lifecycle),
  }
}

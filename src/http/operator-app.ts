import { type Handler, Hono } from 'hono'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import type { OwnMeans } from '../lifecycle/postponed/own-means.ts'
import type { WhySources } from '../lifecycle/why/why.ts'
import type { Registry } from '../registry/registry.ts'
import type { KeyVerifier } from '../resolve/key-verifier.ts'
import type { TenantRouter } from '../router/tenant-router.ts'
import type { Log } from '../telemetry/log.ts'
import { type Access, OPERATOR_ROUTES, type OperatorRoute } from './admin/access.ts'
import { tenantAdopt } from './admin/adopt-route.ts'
import { aliasAdd, aliasList, aliasRemove } from './admin/alias-routes.ts'
import { auditList, auditVerify } from './admin/audit-routes.ts'
import { tenantCancel } from './admin/cancel-route.ts'
import { credentialIssue, credentialList, credentialRevoke } from './admin/credential-routes.ts'
import { tenantDelete, tenantPurge, tenantPurgeExpired, tenantUndelete } from './admin/deletion-routes.ts'
import { doctorFix, doctorShow } from './admin/doctor-routes.ts'
import { livez, readyz, startupz } from './admin/health-routes.ts'
import { ifMatched, showsRecord, tagged, takesIfMatch } from './admin/if-match.ts'
import { tenantImport, tenantUnregister } from './admin/import-routes.ts'
import { keyCreate, keyList, keyRevoke } from './admin/key-routes.ts'
import { type MetricsSource, metricsText } from './admin/metrics-route.ts'
import { operationEvents, operationList, operationResume, operationShow } from './admin/operation-routes.ts'
import type { OperationStreams } from './admin/operation-streams.ts'
import { operatorDocument } from './admin/operator-document.ts'
import type { PoolEventStreams } from './admin/pool-event-streams.ts'
import { poolEvents, poolsSnapshot } from './admin/pool-routes.ts'
import {
  serverDrain,
  serverSpares,
  templateCreate,
  templateDrop,
  templateList,
} from './admin/provision-routes.ts'
import { keyRewrap, tenantRotate, tenantRotateMany } from './admin/rotation-routes.ts'
import { serverRemove, serverShow } from './admin/server-record-routes.ts'
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
import { tenantSet } from './admin/tenant-set-route.ts'
import { tenantWarm } from './admin/warm-route.ts'
import { whyShow } from './admin/why-route.ts'
import { answerErrors } from './answer-errors.ts'
import type { Health } from './health.ts'
import type { LoopLag } from './loop-lag.ts'
import { bodyCap } from './middleware/body-cap.ts'
import { countedMutations } from './middleware/counted-mutations.ts'
import { framed } from './middleware/framed.ts'
import { requiredRole } from './middleware/required-role.ts'
import type { Mutations } from './mutations.ts'
import { openApi } from './openapi/openapi-route.ts'
import type { OperatorEnv } from './request-context.ts'
import type { RequestObserver } from './request-observation.ts'

export interface OperatorAppDeps {
  readonly router: Pick<TenantRouter, 'stats' | 'lease' | 'explain' | 'cancel'>
  readonly directory: NonNullable<WhySources['directory']>
  readonly baseDomain?: string | undefined
  /** For why: this plane itself has no limits. */
  readonly limiter?: WhySources['limiter']
  readonly lifecycle: LifecycleParts
  readonly means: OwnMeans
  readonly keys: KeyVerifier
  readonly metrics: MetricsSource
  /** `open` is for a plane that only this machine can reach. */
  readonly metricsAccess: Extract<Access, 'open' | 'viewer'>
  readonly events: PoolEventStreams
  readonly operations: OperationStreams
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
  const routes = Object.keys(OPERATOR_ROUTES) as OperatorRoute[] // its own keys, which `keys` forgets
  const handlers = handlersOf(deps)
  const { registry } = deps.lifecycle
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ')
    const wanted = access[route]
    if (wanted !== 'open') app.on(method, path, requiredRole(deps.keys, wanted))
    // After the role: nobody without a key makes us read a body.
    if (showsRecord(method, path)) app.on(method, path, tagged)
    const handler = takesIfMatch(method, path)
      ? ifMatched(path, registry, handlers[route], (matched) => handlersOn(deps, matched)[route])
      : handlers[route]
    app.on(method, path, bodyCap(deps.maxBodyBytes), handler)
  }
  answerErrors(app)
  return app
}

function handlersOn(deps: OperatorAppDeps, registry: Registry): ReturnType<typeof handlersOf> {
  return handlersOf({ ...deps, lifecycle: { ...deps.lifecycle, registry } })
}

function handlersOf(deps: OperatorAppDeps): Record<OperatorRoute, Handler<OperatorEnv>> {
  const { router, lifecycle, health, lag } = deps
  return {
    'GET /openapi.json': openApi(() => operatorDocument(deps.metricsAccess)),
    'GET /livez': livez,
    'GET /readyz': readyz(health, lag),
    'GET /startupz': startupz(health),
    'GET /metrics': metricsText(deps.metrics),
    'GET /v1/pools': poolsSnapshot(router),
    'GET /v1/pools/events': poolEvents(deps.events, deps.keys),
    'GET /v1/tenants': tenantList(lifecycle),
    'POST /v1/tenants': tenantAdd(lifecycle, deps.mutations),
    'POST /v1/tenants/import': tenantImport(lifecycle, deps.mutations),
    'POST /v1/tenants/:id/unregister': tenantUnregister(lifecycle, deps.mutations),
    'POST /v1/tenants/:id/adopt': tenantAdopt(lifecycle, deps.mutations),
    'GET /v1/tenants/:id': tenantShow(lifecycle),
    'PATCH /v1/tenants/:id': tenantSet(lifecycle),
    'GET /v1/tenants/:id/aliases': aliasList(lifecycle),
    'POST /v1/tenants/:id/aliases': aliasAdd(lifecycle),
    'DELETE /v1/tenants/:id/aliases': aliasRemove(lifecycle),
    'DELETE /v1/tenants/:id': tenantDelete(lifecycle, deps.mutations),
    'POST /v1/tenants/:id/undelete': tenantUndelete(lifecycle, deps.mutations),
    'POST /v1/tenants/:id/purge': tenantPurge(lifecycle, deps.mutations),
    'POST /v1/tenants/purge': tenantPurgeExpired(lifecycle, deps.mutations),
    'POST /v1/tenants/:id/suspend': tenantSuspend(lifecycle, deps.means),
    'POST /v1/tenants/:id/resume': tenantResume(lifecycle),
    'POST /v1/tenants/:id/check': tenantCheck(lifecycle),
    'POST /v1/tenants/:id/evict': tenantEvict(lifecycle, deps.means),
    'POST /v1/tenants/:id/cancel': tenantCancel(lifecycle, router),
    'POST /v1/tenants/:id/warm': tenantWarm(lifecycle, router),
    'GET /v1/why/:id': whyShow({ ...deps, registry: lifecycle.registry }),
    'GET /v1/doctor': doctorShow(lifecycle),
    'POST /v1/doctor/fix': doctorFix(lifecycle),
    'POST /v1/tenants/:id/rotate': tenantRotate(lifecycle, deps.mutations),
    'POST /v1/tenants/rotate': tenantRotateMany(lifecycle, deps.mutations),
    'GET /v1/tenants/:id/credentials': credentialList(lifecycle),
    'POST /v1/tenants/:id/credentials': credentialIssue(lifecycle),
    'DELETE /v1/tenants/:id/credentials/:role': credentialRevoke(lifecycle),
    'GET /v1/keys': keyList(lifecycle),
    'POST /v1/keys': keyCreate(lifecycle),
    'DELETE /v1/keys/:id': keyRevoke(lifecycle),
    'POST /v1/keys/rewrap': keyRewrap(lifecycle, deps.mutations),
    'GET /v1/servers': serverList(lifecycle),
    'POST /v1/servers': serverAdd(lifecycle),
    'GET /v1/servers/:id': serverShow(lifecycle),
    'DELETE /v1/servers/:id': serverRemove(lifecycle),
    'POST /v1/servers/:id/accept': serverAccept(lifecycle),
    'POST /v1/servers/:id/drain': serverDrain(lifecycle, true, deps.means),
    'POST /v1/servers/:id/undrain': serverDrain(lifecycle, false, deps.means),
    'POST /v1/servers/:id/spares': serverSpares(lifecycle, deps.mutations),
    'GET /v1/templates': templateList(lifecycle),
    'POST /v1/templates': templateCreate(lifecycle, deps.mutations),
    'DELETE /v1/templates/:name': templateDrop(lifecycle),
    'GET /v1/audit': auditList(lifecycle),
    'POST /v1/audit/verify': auditVerify(lifecycle),
    'GET /v1/operations': operationList(lifecycle),
    'GET /v1/operations/:id': operationShow(lifecycle),
    'GET /v1/operations/:id/events': operationEvents(lifecycle, deps.operations),
    'POST /v1/operations/:id/resume': operationResume(lifecycle, deps.mutations),
  }
}

import type { Context } from 'hono'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { RewrapSecrets, startRewrap } from '../../lifecycle/rewrap/rewrap-secrets.ts'
import { RotateTenant, startRotation } from '../../lifecycle/rotate/rotate-tenant.ts'
import { RotateTenants, startRotationOfMany } from '../../lifecycle/rotate/rotate-tenants.ts'
import { jsonBody } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'

export const tenantRotate =
  (parts: LifecycleParts, mutations: Mutations) =>
  async (c: Context<OperatorEnv, '/v1/tenants/:id/rotate'>) => {
    const body = await jsonBody(c.req, RotateTenant)
    const started = await startRotation(parts, c.req.param('id'), body, c.var.actor)
    return answerStarted(c, mutations, started, (rotated) => c.json(rotated))
  }

export const tenantRotateMany =
  (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv>) => {
    const body = await jsonBody(c.req, RotateTenants)
    const started = await startRotationOfMany(parts, body, c.var.actor)
    return answerStarted(c, mutations, started, (rotated) => c.json(rotated))
  }

export const keyRewrap = (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv>) => {
  const body = await jsonBody(c.req, RewrapSecrets)
  const started = await startRewrap(parts, body, c.var.actor)
  return answerStarted(c, mutations, started, (rewrapped) => c.json(rewrapped))
}

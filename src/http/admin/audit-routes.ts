import type { Context } from 'hono'
import { z } from 'zod'
import { ListTrail, listTrail } from '../../lifecycle/audit/list-trail.ts'
import { VerifyTrail, verifyTrail } from '../../lifecycle/audit/verify-trail.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { jsonBody, queryString } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'
import { textLimit } from './page-query.ts'

export const TrailQuery = z.strictObject({ ...ListTrail.shape, limit: textLimit(100) })

export const auditList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) =>
  c.json(await listTrail(parts.registry, queryString(c.req, TrailQuery), c.get('signal')))

/** Reads all of it: what it finds is the answer, whatever that is. */
export const auditVerify = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) =>
  c.json(await verifyTrail(parts, await jsonBody(c.req, VerifyTrail), c.get('signal')))

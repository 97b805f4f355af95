import type { Context } from 'hono'
import { z } from 'zod'
import { AskDoctor, type Diagnosis, diagnose, diagnoseAndFix } from '../../lifecycle/doctor/doctor.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { jsonBody, queryString } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

export const DoctorQuery = z.strictObject({ server: AskDoctor.shape.server })
export const FixBody = z.strictObject({ server: AskDoctor.shape.server })

/** It logs in to every tenant, so whoever asks while one look is under way gets what that one finds. */
export const doctorShow = (parts: LifecycleParts) => {
  const underWay = new Map<string, Promise<Diagnosis>>()
  return async (c: Context<OperatorEnv>) => {
    const asked = queryString(c.req, DoctorQuery)
    const name = asked.server ?? ''
    const found = underWay.get(name) ?? diagnose(parts, asked).finally(() => underWay.delete(name))
    underWay.set(name, found)
    return c.json(await found)
  }
}

export const doctorFix = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) => {
  const asked = await jsonBody(c.req, FixBody)
  return c.json(await diagnoseAndFix(parts, asked, c.var.actor))
}

import { createMiddleware } from 'hono/factory'
import type { Limiter } from '../../limits/limiter.ts'
import { tellLimits } from '../limit-headers.ts'
import type { TenantEnv } from '../request-context.ts'
import { runAdmitted } from '../run-admitted.ts'

/** Lets requests run that the limits of the caller's tenant have room for; each counts until its answer is out. */
export const limitedCaller = (limiter: Pick<Limiter, 'enter'>) =>
  createMiddleware<TenantEnv>(async (c, next) => {
    const admission = await limiter.enter(c.var.caller.tenant)
    if (!admission.isAdmitted) {
      tellLimits(c, admission.standing)
      throw admission.refusal
    }
    await runAdmitted(c, admission, next)
  })

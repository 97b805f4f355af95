import type { Context, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { NoTenantError, TenantryError } from '../../errors.ts'
import type { Admission, Limiter } from '../../limits/limiter.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import { limitHeaders, tellLimits } from '../limit-headers.ts'
import { runAdmitted } from '../run-admitted.ts'
import { refusal } from './tenancy-errors.ts'

/** What `tenancy()` leaves for those after it. */
interface NamedEnv {
  Variables: { tenant: TenantId }
}

/** What `limited()` works with. */
export interface LimitedOptions {
  readonly limiter: Pick<Limiter, 'enterTenant'>
}

/**
 * Hono middleware, after `tenancy()`: lets a request run that the limits of its tenant have room for, and counts it as
 * under way until its response has ended. Others are answered 429 `rate_limited` or `concurrency_limited`, as
 * `HTTPException`s with the error as their cause.
 */
export const limited = ({ limiter }: LimitedOptions): MiddlewareHandler<NamedEnv> =>
  createMiddleware<NamedEnv>(async (c, next) => {
    const admission = await enter(c, limiter)
    if (!admission.isAdmitted) {
      tellLimits(c, admission.standing)
      const refused = refusal(c, admission.refusal)
      // Where the application has no `onError`, its own response is what goes out.
      for (const [name, value] of limitHeaders(admission.standing)) refused.res?.headers.set(name, value)
      throw refused
    }
    await runAdmitted(c, admission, next)
  })

async function enter(c: Context<NamedEnv>, limiter: LimitedOptions['limiter']): Promise<Admission> {
  const tenant: TenantId | undefined = c.var.tenant // nobody may have named one
  try {
    if (tenant === undefined)
      throw new NoTenantError('limited() comes after what names the tenant: tenancy()')
    return await limiter.enterTenant(tenant)
  } catch (error) {
    throw error instanceof TenantryError ? refusal(c, error) : error
  }
}

import { Limiter, type LimiterOptions, type LimiterParts } from '../../src/limits/limiter.ts'
import type { CountingRedis } from '../../src/limits/slots.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { tenantRecord } from '../registry/records.ts'

/** The limiter of a process whose tenants are all on record. */
export function limiterOver(
  redis: CountingRedis | undefined,
  options: LimiterOptions = {},
  parts: Pick<LimiterParts, 'now' | 'slotMs'> & { readonly registry?: string } = {},
): Limiter {
  const { registry: id = 'registry', ...rest } = parts
  const directory = {
    tenant: async (tenant: string) => ({
      kind: 'tenant' as const,
      id: tenant,
      revision: 1,
      record: tenantRecord(tenant),
    }),
  }
  return new Limiter({ router: { directory, registry: { id } }, redis, ...rest }, options)
}

/** What became of one request: `allowed`, or the code of its refusal. Its passage is given back at once. */
export async function ask(limiter: Limiter, record: TenantRecord): Promise<string> {
  const admission = await limiter.enter(record)
  if (!admission.isAdmitted) return admission.refusal.code
  admission.passage[Symbol.dispose]()
  return 'allowed'
}

/** Plans of one rate, without any other limit. */
export const rated = (requestsPerMinute: number, windowSeconds: 1 | 10 | 60 = 1) => ({
  default: { requestsPerMinute, windowSeconds },
})

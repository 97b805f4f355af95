import { openRedis } from '../redis.ts'
import type { Secret } from '../secret.ts'
import { Limiter, type LimiterOptions, type LimiterParts } from './limiter.ts'
import type { Plans } from './plans.ts'

/** Settings of a service. */
export interface LimiterSettings {
  readonly redisUrl: Secret | undefined
  readonly plans: Plans
  readonly replicas: number
  readonly limitsWithoutRedis: NonNullable<LimiterOptions['withoutRedis']>
}

/**
 * A limiter with a Redis connection of its own, where there is a URL. A Redis that is not there is no error.
 * @param onFault hears, once for each outage, that Redis is gone.
 * @throws {InvalidConfigError} where the URL is none.
 */
export async function openLimiter(
  router: LimiterParts['router'],
  { redisUrl, plans, replicas, limitsWithoutRedis }: LimiterSettings,
  onFault: (fault: Error) => void,
): Promise<Limiter> {
  const redis = redisUrl === undefined ? undefined : await openRedis(redisUrl, { onFault })
  const onClosed = () => redis?.close() ?? Promise.resolve()
  return new Limiter({ router, redis, onClosed }, { plans, replicas, withoutRedis: limitsWithoutRedis })
}

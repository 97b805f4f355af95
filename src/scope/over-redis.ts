export {
  type Admission,
  type CreateLimiterOptions,
  createLimiter,
  type Limiter,
  type LimiterOptions,
  type LimiterStats,
} from '../limits/limiter.ts'
export type { Allowance, Plans } from '../limits/plans.ts'
export type { Basis, Standing } from '../limits/standing.ts'
export { openRedis, type RedisConnection, type RedisOptions } from '../redis.ts'
export {
  type CacheKey,
  type CacheOptions,
  createCache,
  type EntryOptions,
  type LoadOptions,
  type TenantCache,
  type TenantCaches,
} from './cache.ts'
export type { JobEnvelope } from './job-envelope.ts'
export { createJobs, type Job, type Jobs, type JobsOptions, type SealOptions } from './jobs.ts'

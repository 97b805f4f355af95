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

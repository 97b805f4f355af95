export { openRedis, type RedisConnection, type RedisOptions } from '../redis.ts'

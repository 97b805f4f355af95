import { afterAll, beforeAll } from 'vitest'
import { RedisOptions } from '../../src/redis.ts'
import { describeOutageCost } from './outage-cost.ts'
import { type ScopeGround, startScopes } from './scope-ground.ts'

let ground: ScopeGround
beforeAll(async () => {
  ground = await startScopes(RedisOptions.parse({}).deadlineMs)
})
afterAll(() => ground[Symbol.asyncDispose]())

describeOutageCost(() => ground, { requests: 2_000, mostAddedMs: 50 })

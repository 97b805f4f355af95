import { openRedis } from '../../src/redis.ts'
import { tenantRecord } from '../registry/records.ts'
import { limiterOver } from './ground.ts'

/** Holds both slots of acme, in the registry of the second argument, until it is killed. */
const [url = '', registry = ''] = process.argv.slice(2)
const redis = await openRedis(url, { deadlineMs: 5_000 })
const limiter = limiterOver(redis, { plans: { default: { concurrency: 2 } } }, { registry, slotMs: 1_000 })
for (let slot = 0; slot < 2; slot++) await limiter.enter(tenantRecord('acme'))
process.stdout.write('held\n')
setInterval(() => undefined, 60_000) // nothing else keeps it

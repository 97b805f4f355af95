import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { createRouter } from 'tenantry'
import { createCache, createJobs, openRedis } from 'tenantry/redis'
import { projectsApi } from './app.ts'
import { developmentIssuer } from './issuer.ts'
import { LocalQueue } from './jobs.ts'

const router = await createRouter({
  registry: process.env['TENANTRY_REGISTRY_URL'] ?? '',
  masterKey: readFileSync(process.env['TENANTRY_MASTER_KEY_FILE'] ?? '', 'utf8'),
  maxConnections: 20,
})
const { trusted } = await developmentIssuer()
// Both are as well without Redis, as long as there is one process.
const redisUrl = process.env['TENANTRY_REDIS_URL']
const redis = redisUrl === undefined ? undefined : await openRedis(redisUrl)
const cache = redis && createCache({ redis, router })
const key = process.env['JOBS_KEY'] ?? randomBytes(32).toString('hex')
const jobs = createJobs({ router, key, ...(redis && { redis }) })
const queue = new LocalQueue(jobs, (fault) => process.emitWarning(String(fault)))

const app = projectsApi({ router, issuer: trusted, domain: 'localhost', jobs, queue, cache })
const port = Number(process.env['PORT'] ?? 4000)
const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => {
  process.stdout.write(`projects at http://127.0.0.1:${port}\n`)
})

async function stop() {
  server.close()
  await queue.idle()
  await router.close()
  await redis?.close()
}
process.once('SIGINT', () => void stop())
process.once('SIGTERM', () => void stop())

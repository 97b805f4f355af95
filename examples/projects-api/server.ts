import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { createRouter } from 'tenantry'
import { createCache, createJobs, openRedis } from 'tenantry/redis'
import { projectsApi } from './app.ts'
import { developmentIssuer } from './issuer.ts'
import { LocalQueue } from './jobs.ts'

const onFault = (fault: unknown) => console.error(fault)
const router = await createRouter({
  registry: setting('TENANTRY_REGISTRY_URL'),
  masterKey: readFileSync(setting('TENANTRY_MASTER_KEY_FILE'), 'utf8'),
  maxConnections: 20,
})
const { trusted } = await developmentIssuer()
// Both are as well without Redis, as long as there is one process.
const redisUrl = process.env['TENANTRY_REDIS_URL']
const redis = redisUrl === undefined ? undefined : await openRedis(redisUrl)
const cache = redis && createCache({ redis, router })
const key = process.env['JOBS_KEY'] ?? randomBytes(32).toString('hex')
const jobs = createJobs({ router, key, ...(redis && { redis }) })
const queue = new LocalQueue(jobs, onFault)

const app = projectsApi({ router, issuer: trusted, domain: 'localhost', jobs, queue, cache, onFault })
const port = Number(process.env['PORT'] ?? 4000)
const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => {
  process.stdout.write(`projects at http://127.0.0.1:${port}\n`)
})

function setting(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new Error(
    `${name} is not set: it is in .tenantry/demo.env (npm run dev) and tenantry.env (npm start)`,
  )
}

async function stop() {
  server.close()
  await queue.idle()
  await router.close()
  await redis?.close()
}
process.once('SIGINT', () => void stop())
process.once('SIGTERM', () => void stop())

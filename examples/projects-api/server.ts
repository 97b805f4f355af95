/**
 * Beside a demo that runs (`npm start`):
 *   npx tsx --env-file=.tenantry/demo.env examples/projects-api/server.ts
 *   curl -H 'x-user: wile@acme' localhost:4001/projects
 */
import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { createRouter } from 'tenantry'
import { projectsApi } from './app.ts'

const router = await createRouter({
  registry: process.env['TENANTRY_REGISTRY_URL'] ?? '',
  masterKey: readFileSync(process.env['TENANTRY_MASTER_KEY_FILE'] ?? '', 'utf8'),
  maxConnections: 10,
})

// Your own login goes here. A header that anyone can send proves nothing.
const tenantOf = (request: Request) => request.headers.get('x-user')?.split('@')[1]

const server = serve({ fetch: projectsApi(router, tenantOf).fetch, port: 4001, hostname: '127.0.0.1' })
process.once('SIGINT', () => server.close(() => void router.close()))

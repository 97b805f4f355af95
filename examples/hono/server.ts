/**
 * Beside a demo that runs (`npm start`):
 *   npx tsx --env-file=.tenantry/demo.env examples/hono/server.ts
 *   curl -H 'x-user: wile@acme' localhost:4000/projects
 */
import { readFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { createRouter } from 'tenantry'
import { projectsApp } from './app.ts'

const router = await createRouter({
  registry: process.env['TENANTRY_REGISTRY_URL'] ?? '',
  masterKey: readFileSync(process.env['TENANTRY_MASTER_KEY_FILE'] ?? '', 'utf8'),
  maxConnections: 10,
})

// Your own login goes here. A header that anyone can send proves nothing.
const tenantOf = (request: Request) => request.headers.get('x-user')?.split('@')[1]

const server = serve({ fetch: projectsApp(router, tenantOf).fetch, port: 4000, hostname: '127.0.0.1' })
process.once('SIGINT', () => server.close(() => void router.close()))

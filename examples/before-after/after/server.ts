import { serve } from '@hono/node-server'
import { createRouter } from 'tenantry'
import { notesApp } from './app.ts'

const { REGISTRY_URL: registry = '', MASTER_KEY: masterKey = '' } = process.env
const router = await createRouter({ registry, masterKey })

serve({ fetch: notesApp(router).fetch, port: 4000 })

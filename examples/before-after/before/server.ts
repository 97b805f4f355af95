import { serve } from '@hono/node-server'
import postgres from 'postgres'
import { notesApp } from './app.ts'

const sql = postgres(process.env['DATABASE_URL'] ?? '', { max: 10 })

serve({ fetch: notesApp(sql).fetch, port: 4000 })

import type { Context } from 'hono'
import type { Health } from '../health.ts'

/** Alive as long as it answers: a liveness probe that asked more would restart what a restart does not heal. */
export const livez = (c: Context) => c.json({ status: 'alive' })

export const readyz = (health: Health) => (c: Context) =>
  c.json({ status: health.phase }, health.phase === 'ready' ? 200 : 503)

export const startupz = (health: Health) => (c: Context) =>
  c.json({ status: health.phase }, health.phase === 'starting' ? 503 : 200)

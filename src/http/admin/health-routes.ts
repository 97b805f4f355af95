import type { Context } from 'hono'
import type { Health } from '../health.ts'
import type { LoopLag } from '../loop-lag.ts'

/** Alive as long as it answers: a liveness probe that asked more would restart what a restart does not heal. */
export const livez = (c: Context) => c.json({ status: 'alive' })

export const readyz = (health: Health, lag: Pick<LoopLag, 'isLate'>) => (c: Context) => {
  const status = health.phase === 'ready' && lag.isLate ? 'late' : health.phase
  return c.json({ status }, status === 'ready' ? 200 : 503)
}

export const startupz = (health: Health) => (c: Context) =>
  c.json({ status: health.phase }, health.phase === 'starting' ? 503 : 200)

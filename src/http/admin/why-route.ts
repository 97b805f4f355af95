import type { Context } from 'hono'
import { explainWhy, type WhySources } from '../../lifecycle/why/why.ts'
import type { OperatorEnv } from '../request-context.ts'

/** 404 where nothing is called so, with what was tried; 503 where that cannot be said without the registry. */
export const whyShow = (sources: WhySources) => async (c: Context<OperatorEnv, '/v1/why/:id'>) => {
  const why = await explainWhy(sources, c.req.param('id'))
  if (why.tenant !== null) return c.json(why)
  return c.json(why, why.registryError === null ? 404 : 503)
}

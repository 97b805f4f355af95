import type { Context } from 'hono'
import { z } from 'zod'
import { CreateKey, createKey } from '../../lifecycle/key/create-key.ts'
import { ListKeys, listKeys } from '../../lifecycle/key/key-view.ts'
import { revokeKey } from '../../lifecycle/key/revoke-key.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { jsonBody, queryString } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'
import { textLimit } from './page-query.ts'

export const KeysQuery = z.strictObject({ ...ListKeys.shape, limit: textLimit(100) })

export const keyList = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) =>
  c.json(await listKeys(parts.registry, queryString(c.req, KeysQuery)))

/** The one answer that holds a key; nothing keeps it. */
export const keyCreate = (parts: LifecycleParts) => async (c: Context<OperatorEnv>) => {
  const { key, secret } = await createKey(parts, await jsonBody(c.req, CreateKey), c.var.actor)
  c.header('cache-control', 'no-store')
  return c.json({ key, secret: secret.reveal() }, 201)
}

export const keyRevoke = (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/keys/:id'>) =>
  c.json(await revokeKey(parts, c.req.param('id'), c.var.actor))

import type { Context, Handler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { matching } from '../../registry/matching-registry.ts'
import type { Kind, Registry } from '../../registry/registry.ts'
import type { OperatorEnv } from '../request-context.ts'
import { singleHeader } from '../single-header.ts'

/** Paths below which every route is about one record, whose revision is its ETag. */
const RECORDS: readonly { readonly path: string; readonly kind: Kind }[] = [
  { path: '/v1/tenants', kind: 'tenant' },
  { path: '/v1/servers', kind: 'server' },
]
const REVISION = /^"(\d{1,15})"$/

/** Whether answers of a route show one record, or may. */
export function showsRecord(method: string, path: string): boolean {
  const isMaking = method === 'POST' && RECORDS.some((record) => record.path === path)
  return isMaking || kindAt(path) !== undefined
}

function kindAt(path: string): Kind | undefined {
  return RECORDS.find((record) => path.startsWith(`${record.path}/:id`))?.kind
}

/** Whether a request may say which revision it is for. */
export function takesIfMatch(method: string, path: string): boolean {
  return method !== 'GET' && kindAt(path) !== undefined
}

/**
 * A handler that changes the record of its path only at the revision that `If-Match` names, where a request has it.
 * @param plain the handler, for requests without it.
 * @param on the same, made to work with another registry than `registry`.
 */
export function ifMatched(
  path: string,
  registry: Registry,
  plain: Handler<OperatorEnv>,
  on: (registry: Registry) => Handler<OperatorEnv>,
): Handler<OperatorEnv> {
  const kind = kindAt(path)
  if (kind === undefined) return plain
  return (c, next) => {
    const revision = revisionOf(c)
    if (revision === undefined) return plain(c, next)
    const id = c.req.param('id') ?? ''
    return on(matching(registry, { kind, id, revision }))(c, next)
  }
}

/** @throws {InvalidRequestError} */
function revisionOf(c: Context<OperatorEnv>): number | undefined {
  const header = singleHeader(c.req, 'if-match')
  if (header === undefined || header === '*') return undefined
  const revision = REVISION.exec(header.trim())?.[1]
  if (revision !== undefined) return Number(revision)
  throw new InvalidRequestError('If-Match must be one ETag as the record was shown with it, like "7".')
}

const Revision = z.object({ revision: z.int() })
/** How answers hold the one record that they show. */
const Shown = z.union([
  Revision,
  z.object({ tenant: Revision }).transform(({ tenant }) => tenant),
  z.object({ server: Revision }).transform(({ server }) => server),
])

/** Gives answers that show one record its revision as their ETag. */
export const tagged = createMiddleware<OperatorEnv>(async (c, next) => {
  await next()
  const isJson = c.res.headers.get('content-type')?.startsWith('application/json') === true
  if (!c.res.ok || !isJson) return
  const shown = Shown.safeParse(await c.res.clone().json())
  if (shown.success) c.res.headers.set('etag', `"${shown.data.revision}"`)
})

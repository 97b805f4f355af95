import type { Context } from 'hono'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { type ImportTenants, startImport } from '../../lifecycle/import/import-tenants.ts'
import { startUnregistering, UnregisterTenant } from '../../lifecycle/import/unregister-tenant.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { bodyText, jsonBody, queryString } from '../json-body.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'
import { answerStarted } from './operation-answer.ts'

const flag = z.stringbool({
  truthy: ['true'],
  falsy: ['false'],
  case: 'sensitive',
  error: 'must be true or false',
})
export const ImportQuery = z.strictObject({
  dryRun: flag.default(false),
  probe: flag.default(false),
  concurrency: z
    .string()
    .regex(/^\d{1,2}$/, 'must be a number from 1 to 64')
    .transform(Number)
    .pipe(z.int().min(1).max(64))
    .optional(),
})
export const ImportBody = z.strictObject({ rows: z.array(z.record(z.string(), z.unknown())) })

/** The list as its content type says: CSV, JSON lines, or JSON with `rows`, whose line is then their place, from 1. */
export const tenantImport =
  (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv>) => {
    const query = queryString(c.req, ImportQuery)
    const started = await startImport(parts, { ...(await listIn(c)), ...query }, c.var.actor)
    return answerStarted(c, mutations, started, (imported) => c.json(imported))
  }

/** The record, keys and names of a registered tenant go; its database stays. */
export const tenantUnregister =
  (parts: LifecycleParts, mutations: Mutations) => async (c: Context<OperatorEnv, '/v1/tenants/:id'>) => {
    const body = await jsonBody(c.req, UnregisterTenant)
    const started = await startUnregistering(parts, c.req.param('id'), body, c.var.actor)
    return answerStarted(c, mutations, started, (purged) => c.json(purged))
  }

/** Reading goes deeper than writing: what was read may be too deep to be written again. */
function asLine(row: object): string {
  try {
    return JSON.stringify(row)
  } catch {
    throw new InvalidRequestError(
      'A row is nested too deeply: its values are texts, numbers, lists and labels.',
    )
  }
}

async function listIn(c: Context<OperatorEnv>): Promise<Pick<ImportTenants, 'format' | 'text'>> {
  const [type = ''] = (c.req.header('content-type') ?? 'application/json').split(';')
  switch (type.trim().toLowerCase()) {
    case 'text/csv':
      return { format: 'csv', text: await bodyText(c.req) }
    case 'application/jsonl':
    case 'application/x-ndjson':
      return { format: 'jsonl', text: await bodyText(c.req) }
    case 'application/json': {
      const { rows } = await jsonBody(c.req, ImportBody)
      return { format: 'jsonl', text: rows.map(asLine).join('\n') }
    }
    default:
      throw new InvalidRequestError(
        'The list is text/csv, application/x-ndjson or application/json, as its content type says.',
      )
  }
}

import { z } from 'zod'
import { Receipt } from '../../lifecycle/delete/receipt.ts'
import { UnregisterTenant } from '../../lifecycle/import/unregister-tenant.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'
import { ImportBody, ImportQuery } from './import-routes.ts'

const Imported = z.strictObject({
  dryRun: z.boolean(),
  faults: z.array(z.strictObject({ line: z.int(), what: z.string() })),
  total: z.int(),
  rows: z.array(
    z.strictObject({
      line: z.int(),
      tenant: z.string(),
      outcome: z.enum(['imported', 'there', 'refused', 'new']),
      refusal: z.string().nullable(),
      findings: z.array(z.string()),
    }),
  ),
  nowNotIsolated: z.array(z.string()),
})

/** Of `OPERATOR_DOCS`. */
export const IMPORT_DOCS = {
  'POST /v1/tenants/import': {
    summary: 'Register the databases of a list',
    query: ImportQuery,
    body: ImportBody,
    otherBodies: ['text/csv', 'application/x-ndjson'],
    answers: { 200: Imported },
    isLong: true,
  },
  'POST /v1/tenants/:id/unregister': {
    summary: 'Forget a registered tenant, its keys and names; its database stays as it is',
    body: UnregisterTenant,
    answers: { 200: z.looseObject({ tenant: z.string(), generation: z.int(), receipt: Receipt }) },
    isLong: true,
  },
} as const satisfies Record<string, RouteDoc>

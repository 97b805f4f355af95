import { z } from 'zod'
import { PurgeTenant } from '../../lifecycle/delete/purge-tenant.ts'
import { Receipt } from '../../lifecycle/delete/receipt.ts'
import { Tenant } from '../openapi/answers.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'
import { DeleteQuery, PurgeMany } from './deletion-routes.ts'
import { NoBody } from './operator-answers.ts'

const Purged = z.strictObject({ tenant: z.string(), generation: z.int(), receipt: Receipt })

/** Of `OPERATOR_DOCS`. */
export const DELETION_DOCS = {
  'DELETE /v1/tenants/:id': {
    summary: 'Refuse a tenant for good and lock its database, which stays until it is purged',
    query: DeleteQuery,
    answers: {
      200: z.strictObject({
        tenant: Tenant,
        purgeAfter: z.iso.datetime(),
        fence: z.enum(['database', 'registry']),
        sessionsEnded: z.int(),
        caveat: z.string().nullable(),
      }),
    },
    isLong: true,
  },
  'POST /v1/tenants/:id/undelete': {
    summary: 'Make a deleted tenant what it was before',
    body: NoBody,
    answers: { 200: z.strictObject({ tenant: Tenant }) },
    isLong: true,
  },
  'POST /v1/tenants/:id/purge': {
    summary: 'Remove all that there is of a deleted tenant, and tell what was seen to be gone',
    body: PurgeTenant,
    answers: { 200: Purged },
    isLong: true,
  },
  'POST /v1/tenants/purge': {
    summary: 'Purge every tenant whose grace has ended',
    body: PurgeMany,
    answers: {
      200: z.strictObject({
        due: z.array(z.strictObject({ tenant: z.string(), purgeAfter: z.string().nullable() })),
        purged: z.array(Purged),
        failed: z.array(z.strictObject({ tenant: z.string(), error: z.string() })),
      }),
    },
    isLong: true,
  },
} as const satisfies Record<string, RouteDoc>

import { z } from 'zod'
import { AdoptTenant } from '../../lifecycle/adopt/adopt-tenant.ts'
import { Tenant } from '../openapi/answers.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'

const Names = z.array(z.string())

const Plan = z.strictObject({
  tenant: z.string(),
  server: z.string(),
  database: z.string(),
  found: z.strictObject({
    postgres: z.int(),
    databaseOwner: z.string(),
    publicMay: z.strictObject({ database: Names, schemaPublic: Names }),
    role: z.strictObject({
      name: z.string(),
      attributes: Names,
      memberOf: Names,
      ownsDatabases: Names,
      verifier: z.string().nullable(),
    }),
    mayConnect: Names,
    otherTenants: z.strictObject({ inDatabase: Names, onRole: Names }),
    extensions: Names,
    objects: z.array(z.strictObject({ owner: z.string(), kind: z.string(), count: z.int() })),
  }),
  steps: z.array(z.strictObject({ name: z.string(), does: z.string(), consequence: z.string() })),
  loseAccess: Names,
  obstacles: z.array(z.strictObject({ what: z.string(), remedy: z.string() })),
})

/** Of `OPERATOR_DOCS`. */
export const ADOPT_DOCS = {
  'POST /v1/tenants/:id/adopt': {
    summary:
      "Take a registered tenant's database into our care; or tell what that would do, undo it, confirm it",
    body: AdoptTenant,
    answers: {
      200: z.strictObject({
        did: z.enum(['planned', 'adopted', 'undone', 'confirmed']),
        tenant: Tenant,
        plan: Plan.nullable(),
        isReversible: z.boolean(),
        oldLogin: z.enum(['works', 'shut_out', 'locked']),
      }),
    },
    isLong: true,
  },
} as const satisfies Record<string, RouteDoc>

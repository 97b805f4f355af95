import { z } from 'zod'
import { IssueCredential } from '../../lifecycle/credentials/issue-credential.ts'
import { RewrapSecrets } from '../../lifecycle/rewrap/rewrap-secrets.ts'
import { RotateTenant } from '../../lifecycle/rotate/rotate-tenant.ts'
import { RotateTenants } from '../../lifecycle/rotate/rotate-tenants.ts'
import { IssuedCredential } from '../../tenant/tenant-record.ts'
import { Tenant } from '../openapi/answers.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'

const Credential = IssuedCredential.extend({ expired: z.boolean() })

const Key = z.strictObject({
  active: z.string(),
  values: z.int(),
  older: z.record(z.string(), z.int()),
  unreadable: z.array(z.string()),
})

const Login = {
  from: z.string(),
  to: z.string(),
  sessionsEnded: z.int(),
  caveat: z.string().nullable(),
}

const Outcome = z.discriminatedUnion('outcome', [
  z.strictObject({ tenant: z.string(), outcome: z.literal('done'), result: z.strictObject(Login) }),
  z.strictObject({ tenant: z.string(), outcome: z.enum(['there', 'registered', 'not_begun', 'selected']) }),
  z.strictObject({ tenant: z.string(), outcome: z.literal('failed'), code: z.string(), error: z.string() }),
])

/** Of `OPERATOR_DOCS`. */
export const ROTATION_DOCS = {
  'POST /v1/tenants/:id/rotate': {
    summary: 'Give a tenant another login without failing a request',
    body: RotateTenant,
    answers: { 200: z.strictObject({ tenant: Tenant, ...Login }) },
    isLong: true,
  },
  'POST /v1/tenants/rotate': {
    summary: 'Give each tenant of a selection another login without failing a request',
    body: RotateTenants,
    answers: { 200: z.strictObject({ dryRun: z.boolean(), outcomes: z.array(Outcome) }) },
    isLong: true,
  },
  'GET /v1/tenants/:id/credentials': {
    summary: 'List the logins for people and tools that were not revoked',
    answers: { 200: z.strictObject({ credentials: z.array(Credential) }) },
  },
  'POST /v1/tenants/:id/credentials': {
    summary: 'Make a login for a person or a tool; no other answer ever shows its password',
    body: IssueCredential,
    answers: {
      201: z.strictObject({ credential: Credential, dsn: z.string(), notes: z.array(z.string()) }),
    },
  },
  'DELETE /v1/tenants/:id/credentials/:role': {
    summary: 'End the sessions of a login for a person or a tool, and drop it',
    answers: { 200: z.strictObject({ role: z.string(), sessionsEnded: z.int() }) },
  },
  'POST /v1/keys/rewrap': {
    summary: 'Seal every secret again under the first master key, or count those that are not',
    body: RewrapSecrets,
    answers: {
      200: z.strictObject({ dryRun: z.boolean(), rewrapped: z.int(), master: Key, admin: Key.nullable() }),
    },
    isLong: true,
  },
} as const satisfies Record<string, RouteDoc>

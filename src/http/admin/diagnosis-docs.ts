import { z } from 'zod'
import { SEVERITIES } from '../../lifecycle/doctor/finding.ts'
import type { RouteDoc } from '../openapi/route-doc.ts'
import type { OperatorRoute } from './access.ts'
import { CancelBody } from './cancel-route.ts'
import { DoctorQuery, FixBody } from './doctor-routes.ts'

const NoBody = z.strictObject({})

const WhyAnswer = z.looseObject({
  asked: z.string(),
  at: z.iso.datetime(),
  answer: z.array(z.string()),
  tried: z.array(z.strictObject({ as: z.string(), value: z.string(), found: z.boolean().nullable() })),
  tenant: z.string().nullable(),
})
const CancelAnswer = z.strictObject({
  tenant: z.string(),
  cancelled: z.int(),
  goingOn: z.int(),
  younger: z.int(),
  idle: z.int(),
})
const DoctorFinding = z.strictObject({
  check: z.string(),
  severity: z.enum(SEVERITIES),
  subject: z.string(),
  what: z.string(),
  consequence: z.string(),
  fix: z.string().nullable(),
  fixable: z.boolean(),
})
const DiagnosisAnswer = z.strictObject({
  checkedAt: z.iso.datetime(),
  servers: z.int(),
  tenants: z.int(),
  findings: z.array(DoctorFinding),
  counts: z.strictObject({ error: z.int(), warning: z.int(), info: z.int() }),
  repaired: z.array(z.strictObject({ finding: DoctorFinding, error: z.string().nullable() })),
})

/** What the OpenAPI document says of the routes that an operator asks when something is wrong. */
export const DIAGNOSIS_DOCS = {
  'POST /v1/tenants/:id/cancel': {
    summary: 'Cancel the statements that the tenant runs in this process',
    body: CancelBody,
    answers: { 200: CancelAnswer },
  },
  'POST /v1/tenants/:id/warm': {
    summary: "Open the tenant's first connection in this process",
    body: NoBody,
    answers: { 200: z.strictObject({ tenant: z.string(), opened: z.boolean(), ms: z.number() }) },
  },
  'GET /v1/why/:id': {
    summary: 'Tell why a tenant is served, slow or refused by this process',
    answers: { 200: WhyAnswer, 404: WhyAnswer, 503: WhyAnswer },
  },
  'GET /v1/doctor': {
    summary: 'Compare the registry with the servers; changes nothing',
    query: DoctorQuery,
    answers: { 200: DiagnosisAnswer },
  },
  'POST /v1/doctor/fix': {
    summary: 'Do what the doctor found and is safe, and look again',
    body: FixBody,
    answers: { 200: DiagnosisAnswer },
  },
} as const satisfies Partial<Record<OperatorRoute, RouteDoc>>

import { z } from 'zod'
import { keptRecord } from './kept-record.ts'
import { Sealed } from './sealed.ts'
import { isTenantId } from './tenant-id.ts'
import { TENANT_STATUSES } from './tenant-status.ts'

export const TenantIdSchema = z.custom<import('./tenant-id.ts').TenantId>(isTenantId, {
  error: 'must be a lower-case slug of letters, digits and inner hyphens, at most 40 long',
})

/** Labels select tenants (`plan=pro`); they are not secret. */
export const Labels = z.record(z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/), z.string().max(128))

/** Where a tenant's data is, and who we are there. */
export const Route = z.strictObject({
  server: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/),
  database: z.string().min(1).max(63),
  role: z.string().min(1).max(63),
  /** Null where the server asks for no password, or a provider function of the server gives one. */
  password: Sealed.nullable(),
  /** Which of the two login roles of a provisioned tenant `role` is; null for a registered one. */
  slot: z.enum(['a', 'b']).nullable().default(null),
  /** A login role without write rights, where the tenant has one. */
  readOnly: z
    .strictObject({ role: z.string().min(1).max(63), password: Sealed.nullable() })
    .nullable()
    .default(null),
})
export type Route = z.output<typeof Route>

/** What must be true of the database at the end of the route, checked on every new connection. */
export const Identity = z.discriminatedUnion('kind', [
  /** A row in `tenantry.stamp`, which the tenant's role can read and not write. */
  z.strictObject({ kind: z.literal('stamp'), incarnation: z.uuid() }),
  /** What a probe saw when the tenant was registered. `serverAddress` stands in where the system identifier is refused. */
  z.strictObject({
    kind: z.literal('pin'),
    systemIdentifier: z.string().nullable(),
    serverAddress: z.string().nullable(),
    databaseOid: z.int().positive(),
    databaseName: z.string().min(1),
    /** Another tenant may have the same pin (`--shared`). */
    shared: z.boolean().default(false),
  }),
])
export type Identity = z.output<typeof Identity>

export const TenantLimits = z.strictObject({
  maxConnections: z.int().positive().optional(),
  statementTimeoutMs: z.int().positive().optional(),
  maxResultBytes: z.int().positive().optional(),
  /** Written by earlier versions: counts as sixty times as many a minute where `requestLimits` says nothing of them. */
  requestsPerSecond: z.number().positive().optional(),
  /** Share of a full budget relative to other tenants. */
  weight: z.number().positive().max(1000).default(1),
})
export type TenantLimits = z.output<typeof TenantLimits>

/** How many requests a tenant may make. What is left out is as its plan says. */
export const RequestLimits = z.strictObject({
  requestsPerMinute: z.int().min(1).max(10_000_000).optional(),
  /** Requests under way at once. */
  concurrency: z.int().min(1).max(100_000).optional(),
})
export type RequestLimits = z.output<typeof RequestLimits>

/** Goes before all others until its time, and is over then without anybody doing anything. */
export const LimitsOverride = RequestLimits.extend({ until: z.iso.datetime() })
export type LimitsOverride = z.output<typeof LimitsOverride>

/** Whether the tenant's role is cut off from every other tenant: only then may foreign SQL run as it. */
export const Isolation = z.strictObject({
  isolated: z.boolean(),
  /** Why not, in words for the operator. */
  findings: z.array(z.string()),
  checkedAt: z.iso.datetime(),
})
export type Isolation = z.output<typeof Isolation>

/** Of a deleted tenant: what it comes back to where it is undeleted, and until when it surely can be. */
export const Deletion = z.strictObject({
  at: z.iso.datetime(),
  /** Not purged before, unless somebody says so. */
  purgeAfter: z.iso.datetime(),
  /** As it was before. */
  status: z.enum(TENANT_STATUSES),
  statusReason: z.string().max(500).nullable(),
  operation: z.uuid().nullable(),
  /** Login roles that were open and have been locked. */
  logins: z.array(z.string().min(1).max(63)),
})
export type Deletion = z.output<typeof Deletion>

/** A login role for a person or a tool, made beside the runtime's. Its password is not kept. */
export const IssuedCredential = z.strictObject({
  role: z.string().min(1).max(63),
  readOnly: z.boolean(),
  /** Its password is refused from then on. */
  validUntil: z.iso.datetime(),
  issuedBy: z.string().max(128),
  issuedAt: z.iso.datetime(),
})
export type IssuedCredential = z.output<typeof IssuedCredential>

export const TenantRecord = keptRecord({
  id: TenantIdSchema,
  /** Next value of a registry-wide sequence, taken when the tenant is made; part of every cache key. */
  generation: z.int().positive(),
  /** Rises when the route changes: nothing new runs under an older one. */
  epoch: z.int().positive(),
  status: z.enum(TENANT_STATUSES),
  /** Why the status is what it is, for the operator. */
  statusReason: z.string().max(500).nullable().default(null),
  origin: z.enum(['registered', 'provisioned']),
  route: Route,
  identity: Identity.nullable(),
  isolation: Isolation.nullable(),
  limits: TenantLimits,
  /** Its own, instead of its plan's. Not in `limits`, where the version before refuses what it does not know. */
  requestLimits: RequestLimits.optional(),
  limitsOverride: LimitsOverride.nullable().optional(),
  labels: Labels,
  schemaVersion: z.string().nullable().default(null),
  /** The operation that has the tenant; another begins only when that one is over. */
  operation: z.uuid().nullable().default(null),
  /** Null where it is not deleted. */
  deletion: Deletion.nullable().default(null),
  /** Login roles on its database that were not revoked; absent where there were never any. */
  credentials: z.array(IssuedCredential).max(100).optional(),
  /** When its login was last rotated; absent where it never was. */
  rotatedAt: z.iso.datetime().optional(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})
/** Its revision (compare-and-set) is kept beside it by the registry: see `Entry`. */
export type TenantRecord = z.output<typeof TenantRecord>

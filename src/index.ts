export type { StatementResult, Trust } from './connection/connection.ts'
export type { ReservedSql, Sql, TransactionSql } from './connection/sql.ts'
export { type CreateRouterOptions, createRouter } from './create-router.ts'
export { type ErrorCode, JobOutdatedError, JobRefusedError, SqlError, TenantryError } from './errors.ts'
export type { TenantSelector } from './registry/select-tenants.ts'
export type { AppRouter } from './router/app-router.ts'
export type { RouterEvents } from './router/events.ts'
export type {
  ForEachTenantOptions,
  ForEachTenantReport,
  SelectedTenant,
  TenantFailure,
  TenantWork,
} from './router/for-each-tenant.ts'
export type { Lease } from './router/lease.ts'
export type { LeaseOptions } from './router/lease-options.ts'
export type { RouterOptions } from './router/options.ts'
export type { PasswordProvider, ProvidedLogin } from './router/password-source.ts'
export type { RouterStats } from './router/stats.ts'
export type { TenantRouter } from './router/tenant-router.ts'
export type { TenantSql } from './router/tenant-sql.ts'
export type { TransactionOptions } from './router/transaction-options.ts'
export type { JobEnvelope } from './scope/job-envelope.ts'
export { createJobs, type Job, type Jobs, type JobsOptions, type SealOptions } from './scope/jobs.ts'
export { tenantLogFields } from './scope/log-fields.ts'
export { type KeyPart, scopedKey, scopePrefix } from './scope/scoped-key.ts'
export { type TenantScope, tenantScope } from './scope/tenant-scope.ts'
export { Secret } from './secret.ts'
export { currentTenant, runAsTenant } from './tenant/tenant-context.ts'
export { parseTenantId, type TenantId } from './tenant/tenant-id.ts'

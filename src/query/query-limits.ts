import type { TenantRecord } from '../tenant/tenant-record.ts'

/** What one request may take, at most. */
export interface QueryLimits {
  /** Of the answer, on the database's socket and again as JSON. */
  readonly maxResultBytes: number
  readonly maxRows: number
  /** Of one stream, as it is sent. */
  readonly maxStreamBytes: number
  /** Milliseconds of all statements of the request together. */
  readonly statementTimeoutMs: number
}

/** A tenant's own limits, where they are lower. */
export function limitsOf(tenant: TenantRecord, limits: QueryLimits): QueryLimits {
  const { maxResultBytes = Infinity, statementTimeoutMs = Infinity } = tenant.limits
  return {
    maxRows: limits.maxRows,
    maxStreamBytes: limits.maxStreamBytes,
    maxResultBytes: Math.min(limits.maxResultBytes, maxResultBytes),
    statementTimeoutMs: Math.min(limits.statementTimeoutMs, statementTimeoutMs),
  }
}

import { z } from 'zod'
import { ServerId } from '../../registry/server-record.ts'
import { Labels, TenantLimits } from '../../tenant/tenant-record.ts'
import { Hostname } from '../tenant/claim-aliases.ts'

export const CreateTenant = z.strictObject({
  id: z.string(),
  /** Default: the only server that has an admin login. */
  server: ServerId.optional(),
  /**
   * SQL of the tenant's first tables, run once as their owner in a transaction of ours, which it may not end.
   * It is the team's own SQL: it runs on the admin's connection.
   */
  schema: z.string().max(10_000_000).optional(),
  hostnames: z.array(Hostname).max(100).default([]),
  limits: TenantLimits.prefault({}),
  labels: Labels.default({}),
})
export type CreateTenant = z.input<typeof CreateTenant>

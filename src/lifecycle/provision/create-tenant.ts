import { z } from 'zod'
import { ServerId, TemplateName } from '../../registry/server-record.ts'
import { Labels, TenantLimits } from '../../tenant/tenant-record.ts'
import { Hostname } from '../tenant/claim-aliases.ts'
import { ExtensionName } from './extension-names.ts'
import { STRATEGIES } from './making.ts'
import { RoleSettings } from './role-settings.ts'

export const CreateTenant = z.strictObject({
  id: z.string(),
  /** Default: of those with an admin login that do not drain, the one with the fewest tenants for its budget. */
  server: ServerId.optional(),
  /** Where no server is named: one that has all of these labels. */
  placement: z.strictObject({ labels: Labels.default({}) }).prefault({}),
  /** What the database is copied from; it becomes the tenant's schema version. */
  template: TemplateName.optional(),
  /** How the server copies. Default: as it likes (`wal_log` since Postgres 15). */
  strategy: z.enum(STRATEGIES).optional(),
  /** Whether a database that was made before may be taken, where the server has one. */
  spare: z.boolean().default(true),
  /**
   * SQL of the tenant's first tables, run once as their owner in a transaction of ours, which it may not end.
   * It is the team's own SQL: it runs on the admin's connection.
   */
  schema: z.string().max(10_000_000).optional(),
  extensions: z.array(ExtensionName).max(50).default([]),
  hostnames: z.array(Hostname).max(100).default([]),
  limits: TenantLimits.prefault({}),
  /** CONNECTION LIMIT of each of its login roles. Default: above what all processes together open. */
  connectionLimit: z.int().min(1).max(10_000).optional(),
  /** Of its login roles, as a plan has them. */
  settings: RoleSettings.default({}),
  labels: Labels.default({}),
})
export type CreateTenant = z.input<typeof CreateTenant>

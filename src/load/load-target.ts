import { z } from 'zod'
import { Secret } from '../secret.ts'
import { TenantIdSchema } from '../tenant/tenant-record.ts'

/** What a load run is aimed at: nothing but this is ever asked. */
export const LoadTarget = z.strictObject({
  /** Of the tenant plane. */
  url: z.url({ protocol: /^https?$/ }),
  /** A service key, which may ask for every tenant below. */
  key: z
    .string()
    .min(1)
    .transform((text) => new Secret(text)),
  /** Tenant → the database that must answer for it. In order: the first is asked most where the load is skewed. */
  tenants: z
    .record(TenantIdSchema, z.string().min(1).max(63))
    .refine((tenants) => Object.keys(tenants).length > 0, 'names no tenant'),
})
export type LoadTarget = z.output<typeof LoadTarget>

/** Tenants whose database has the same name as another's: their answers cannot be told apart by it. */
export function indistinguishable(target: LoadTarget): string[] {
  const counts = new Map<string, number>()
  for (const database of Object.values(target.tenants)) counts.set(database, (counts.get(database) ?? 0) + 1)
  return Object.entries(target.tenants)
    .filter(([, database]) => (counts.get(database) ?? 0) > 1)
    .map(([tenant]) => tenant)
}

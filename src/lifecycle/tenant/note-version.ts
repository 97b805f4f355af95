import { z } from 'zod'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { decideTenant } from './change-tenant.ts'

/** A name that the team gives to a state of its schema: of a migration, a release, a commit. */
export const SchemaVersion = z
  .string()
  .max(128)
  .regex(/^[\w.:+/@-]+$/, 'must be 1 to 128 letters, digits or any of . : + / @ _ -')

/**
 * Puts on record which version of the schema the tenant's database has.
 * @throws {InvalidTenantIdError | TenantUnknownError}
 */
export async function noteVersion(
  { registry }: LifecycleParts,
  id: string,
  version: string,
  actor: string,
): Promise<void> {
  const schemaVersion = SchemaVersion.parse(version)
  await decideTenant(registry, id, ({ record }) => {
    if (record.schemaVersion === schemaVersion) return null
    const detail = { from: record.schemaVersion, to: schemaVersion }
    return { change: { schemaVersion }, audit: auditEntry(actor, 'tenant.version', id, detail) }
  })
}

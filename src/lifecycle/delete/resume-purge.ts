import type { Entry } from '../../registry/registry.ts'
import type { Started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { resumePurgeOfExpired } from './purge-expired.ts'
import { resumePurgeOfOne } from './purge-tenant.ts'

/** Of one tenant, or of all whose grace had ended. */
export function resumePurge(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<unknown>> {
  return operation.record.tenant === null
    ? resumePurgeOfExpired(parts, operation, actor)
    : resumePurgeOfOne(parts, operation, actor)
}

import type { Entry } from '../../registry/registry.ts'
import type { Started } from '../operation/started.ts'
import type { LifecycleParts } from '../parts.ts'
import { resumeRotation } from './rotate-tenant.ts'
import { resumeRotationOfMany } from './rotate-tenants.ts'

/** Of one tenant, or of many. */
export function resumeAnyRotation(
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
): Promise<Started<unknown>> {
  return operation.record.tenant === null
    ? resumeRotationOfMany(parts, operation, actor)
    : resumeRotation(parts, operation, actor)
}

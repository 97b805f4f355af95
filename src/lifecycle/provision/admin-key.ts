import { PreconditionFailedError } from '../../errors.ts'
import type { Sealer } from '../../registry/sealing.ts'
import type { LifecycleParts } from '../parts.ts'

/** @throws {PreconditionFailedError} in a process that has no admin key. */
export function adminSealerOf({ adminSealer }: LifecycleParts): Sealer {
  if (adminSealer !== undefined) return adminSealer
  throw new PreconditionFailedError('Provisioning needs TENANTRY_ADMIN_KEY, which opens admin passwords.')
}

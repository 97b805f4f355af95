import { PreconditionFailedError } from '../../errors.ts'
import type { OperationKind } from '../../registry/operation-record.ts'
import type { Entry } from '../../registry/registry.ts'
import { resumeAdoption } from '../adopt/adopt-tenant.ts'
import { resumeRelease } from '../adopt/release-tenant.ts'
import { resumeDeletion } from '../delete/delete-tenant.ts'
import { resumePurge } from '../delete/resume-purge.ts'
import { resumeUndeletion } from '../delete/undelete-tenant.ts'
import { resumeImport } from '../import/import-tenants.ts'
import type { LifecycleParts } from '../parts.ts'
import { resumeProvisioning } from '../provision/provision-tenant.ts'
import { resumeSpares } from '../provision/spare/make-spares.ts'
import { resumeTemplate } from '../provision/template/create-template.ts'
import { resumeRewrap } from '../rewrap/rewrap-secrets.ts'
import { resumeAnyRotation } from '../rotate/resume-rotation.ts'
import { findOperation } from './list-operations.ts'
import type { Started } from './started.ts'

/** @throws {PreconditionFailedError} where something is lacking that only the one who began it can give. */
type Resume = (
  parts: LifecycleParts,
  operation: Entry<'operation'>,
  actor: string,
) => Promise<Started<unknown>>

const RESUMES: Partial<Record<OperationKind, Resume>> = {
  rotate: resumeAnyRotation,
  rewrap: resumeRewrap,
  adopt: resumeAdoption,
  release: resumeRelease,
  provision: resumeProvisioning,
  spare: resumeSpares,
  template: resumeTemplate,
  import: resumeImport,
  delete: resumeDeletion,
  undelete: resumeUndeletion,
  purge: resumePurge,
}

/**
 * Goes on with an operation that failed, or whose process is gone.
 * @throws {NotFoundError | PreconditionFailedError}
 */
export async function resumeOperation(
  parts: LifecycleParts,
  id: string,
  actor: string,
): Promise<Started<unknown>> {
  const entry = await findOperation(parts.registry, id)
  const resume = RESUMES[entry.record.kind]
  if (resume === undefined)
    throw new PreconditionFailedError(`Operation ${id} (${entry.record.kind}) is begun anew, not resumed.`)
  return resume(parts, entry, actor)
}

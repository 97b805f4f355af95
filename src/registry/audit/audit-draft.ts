import { tenantOf } from '../record-schema.ts'
import type { AuditEntry, Commit } from '../registry.ts'
import type { AuditDraft } from './audit-trail.ts'

/** The entry of a commit, such that every backend gives back exactly what it was given. */
export function draftOf(commit: Commit): AuditDraft {
  const { actor, action, target, at, detail } = commit.audit
  return {
    actor: storable(actor),
    action: storable(action),
    target: storable(target),
    tenant: commit.audit.tenant ?? tenantIn(commit),
    at: new Date(at).toISOString(),
    detail: storableDetail(detail),
  }
}

function storableDetail(detail: AuditEntry['detail']): AuditEntry['detail'] {
  const pairs = Object.entries(detail).map(([name, value]) => {
    if (typeof value === 'string') return [storable(name), storable(value)] as const
    // As JSON has it: no infinities, one zero.
    return [storable(name), typeof value === 'number' ? finite(value) : value] as const
  })
  return Object.fromEntries(pairs)
}

/** Postgres takes neither a zero character nor half of a surrogate pair; whoever chose the text must not make the change fail. */
function storable(text: string): string {
  return Buffer.from(text).toString().replaceAll('\0', '\uFFFD')
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null
}

/** Where everything that is changed is of one tenant. */
function tenantIn({ audit, puts = [], removes = [] }: Commit): string | null {
  if (audit.action.startsWith('tenant.')) return storable(audit.target)
  const tenants = new Set<string | undefined>([
    ...puts.map((put) => (put.kind === 'tenant' ? put.id : tenantOf(put))),
    ...removes.map(({ kind, id }) => (kind === 'tenant' ? id : undefined)),
  ])
  tenants.delete(undefined)
  const [only] = tenants
  return tenants.size === 1 && only !== undefined ? only : null
}

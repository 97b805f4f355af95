import { z } from 'zod'
import type { TrailEntry } from '../../registry/audit/audit-trail.ts'
import type { AuditEntry, Registry } from '../../registry/registry.ts'

export const Since = z.iso.datetime({ error: 'must be a date and time as 2026-01-31T12:00:00Z' })

export const ListTrail = z.strictObject({
  cursor: z.string().max(100).optional(),
  tenant: z.string().max(100).optional(),
  /** `tenant.suspend`, or `tenant` for all of `tenant.…`. */
  action: z.string().max(100).optional(),
  actor: z.string().max(128).optional(),
  since: Since.optional(),
  order: z.enum(['newest', 'oldest']).default('newest'),
  limit: z.int().min(1).max(1000).default(100),
})
export type ListTrail = z.input<typeof ListTrail>

/** An entry of the audit as an operator sees it. */
export interface AuditView {
  readonly position: string
  /** Its number in the sealed chain; null where it is not sealed, or cannot be read. */
  readonly link: number | null
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly target: string
  readonly tenant: string | null
  readonly revision: number
  readonly detail: AuditEntry['detail']
}

export interface AuditPage {
  readonly entries: readonly AuditView[]
  /** Give it to the next call; null on the last page. */
  readonly next: string | null
}

/** @throws {RegistryUnavailableError} */
export async function listTrail(
  registry: Registry,
  input: ListTrail,
  signal?: AbortSignal,
): Promise<AuditPage> {
  const { cursor, ...wanted } = ListTrail.parse(input)
  const { tenant, action, actor, since, ...rest } = wanted
  const filter = {
    ...rest,
    ...(tenant === undefined ? {} : { tenant }),
    ...(action === undefined ? {} : { action }),
    ...(actor === undefined ? {} : { actor }),
    ...(since === undefined ? {} : { since }),
  }
  const { entries, next } = await registry.auditTrail(cursor, filter, signal)
  return { entries: entries.map(viewAudit), next: next ?? null }
}

function viewAudit({ position, audit }: TrailEntry): AuditView {
  if (audit === undefined) {
    const unknown = { link: null, at: '?', actor: '?', action: 'unreadable', target: '?', tenant: null }
    return { position, ...unknown, revision: 0, detail: {} }
  }
  const { at, actor, action, target, tenant, revision, detail, seal } = audit
  return { position, link: seal?.link ?? null, at, actor, action, target, tenant, revision, detail }
}

import { z } from 'zod'
import type { AuditEntry } from '../registry.ts'

/** Ties an entry to the one before: what was taken out, changed or put in between does not fit. */
export const AuditSeal = z.strictObject({
  /** Names the master key that the sealing key is derived from. */
  kid: z.string(),
  /** 1 for the first sealed entry of a registry, one more for each that follows. */
  link: z.int().positive(),
  /** The `mac` of the link before; empty before the first. */
  previous: z.string(),
  /** HMAC-SHA256, base64url. */
  mac: z.string(),
})
export type AuditSeal = z.output<typeof AuditSeal>

const Value = z.union([z.string(), z.number(), z.boolean(), z.null()])

/** An entry of the audit as it is kept. What a later version adds to it is kept, and sealed, with the rest. */
export const KeptAudit = z.looseObject({
  /** Of the registry, after the commit. */
  revision: z.int().nonnegative(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  tenant: z.string().nullable().default(null),
  at: z.string(),
  detail: z.record(z.string(), Value),
  /** Null: written by a process without the master key, or of a version that sealed nothing. */
  seal: AuditSeal.nullable().default(null),
})
export type KeptAudit = z.output<typeof KeptAudit>

/** All of an entry that is known before its commit. */
export interface AuditDraft {
  readonly actor: string
  readonly action: string
  readonly target: string
  readonly tenant: string | null
  readonly at: string
  readonly detail: AuditEntry['detail']
}

/** The last link, as the registry keeps it beside the entries: without it nobody would miss the newest. */
export interface AuditHead {
  /** 0 before the first. */
  readonly link: number
  readonly mac: string
}
export const NO_HEAD: AuditHead = { link: 0, mac: '' }

export interface TrailEntry {
  /** A cursor: where the entry stands among the others. */
  readonly position: string
  /** Undefined where what stands there cannot be read as an entry. */
  readonly audit: KeptAudit | undefined
}

export interface TrailPage {
  readonly entries: readonly TrailEntry[]
  /** Give it to the next call; undefined on the last page. */
  readonly next: string | undefined
  /** Not newer than the entries. */
  readonly head: AuditHead
}

export interface TrailFilter {
  readonly tenant?: string
  /** The whole action, or what it begins with before a dot: `tenant` is all of `tenant.…`. */
  readonly action?: string
  readonly actor?: string
  /** Entries of that time or later, by the clock of whoever wrote them; an ISO date and time. */
  readonly since?: string
  /** Default: newest. */
  readonly order?: 'newest' | 'oldest'
  /** Entries of a page, 1 to 1,000. */
  readonly limit?: number
}

/** Whether an entry passes, for backends that cannot ask their store. What cannot be read passes where nothing is asked for. */
export function passesTrail(audit: KeptAudit | undefined, filter: TrailFilter): boolean {
  const { tenant, action, actor, since } = filter
  if (audit === undefined) return [tenant, action, actor, since].every((wanted) => wanted === undefined)
  if (tenant !== undefined && tenantOfAudit(audit) !== tenant) return false
  if (action !== undefined && audit.action !== action && !audit.action.startsWith(`${action}.`)) return false
  if (actor !== undefined && audit.actor !== actor) return false
  return since === undefined || Date.parse(audit.at) >= Date.parse(since)
}

/** Versions before kept no tenant beside the target. */
function tenantOfAudit({ tenant, action, target }: KeptAudit): string | null {
  return tenant ?? (action.startsWith('tenant.') ? target : null)
}

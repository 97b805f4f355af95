import type { LifecycleParts } from '../parts.ts'

export const SEVERITIES = ['info', 'warning', 'error'] as const
/**
 * `error`: tenants are refused, or are not cut off from each other as the registry says. `warning`: that may come, or
 * somebody has to decide. `info`: good to know, and nothing is wrong.
 */
export type Severity = (typeof SEVERITIES)[number]

/** What a check found, with what follows of it and what to do. It holds no secret. */
export interface Finding {
  readonly check: string
  readonly severity: Severity
  /** As `server main`, `tenant acme`, `operation …`, `keys`. */
  readonly subject: string
  readonly what: string
  readonly consequence: string
  /** A command or SQL that can be pasted, or words where a person has to decide; null where nothing has to be done. */
  readonly fix: string | null
  /** `--fix` does it. */
  readonly fixable: boolean
}

/** Does what a finding says: it must be safe to do unasked, hold against changes since, and never drop anything. */
export type Repair = (parts: LifecycleParts, actor: string) => Promise<void>

/** A finding as its check hands it on. */
export type Found = Omit<Finding, 'check' | 'fixable'> & {
  readonly repair?: Repair | undefined
  /** The repair looks again at what other repairs change: its turn is after theirs. */
  readonly isLooking?: boolean
}

/** Found by which check. */
export interface Ascribed extends Found {
  readonly check: string
}

export function viewFinding({ check, severity, subject, what, consequence, fix, repair }: Ascribed): Finding {
  return { check, severity, subject, what, consequence, fix, fixable: repair !== undefined }
}

/** The worst first; within that in the order in which they were found. */
export function bySeverity(found: readonly Ascribed[]): Ascribed[] {
  return found.toSorted((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity))
}

/** A few names out of many. */
export function some(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
}

import type { Change, ChangeBatch } from './registry.ts'

/** The last changes of a registry, oldest first, as backends publish them. Revisions have no gaps. */
export interface ChangeLog {
  readonly revision: number
  readonly changes: readonly Change[]
}

/** What a follower at `position` must hear: nothing yet, the changes since, or that some are no longer there. */
export function batchAfter(log: ChangeLog, position: number | undefined): ChangeBatch {
  const now = String(log.revision)
  // Ahead of us: the registry was put back to an earlier state.
  if (position === undefined || position > log.revision) return { type: 'reset', position: now }
  if (position === log.revision) return { type: 'changes', changes: [], position: now }
  const oldest = log.changes[0]?.revision
  if (oldest === undefined || oldest > position + 1) return { type: 'reset', position: now }
  return {
    type: 'changes',
    changes: log.changes.filter((change) => change.revision > position),
    position: now,
  }
}

/** A position that is not one of ours is as good as none: the answer to it is a `reset`. */
export function parsePosition(position: string | undefined): number | undefined {
  return position !== undefined && /^\d{1,15}$/.test(position) ? Number(position) : undefined
}

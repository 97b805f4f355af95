import type { Slot } from '../pool/slot.ts'

/**
 * Whether nothing in a full scope can come free by itself: every connection in it is out to a scoped use
 * that itself waits for what others hold. Whoever would wait here would wait until its deadline.
 */
export function isDeadlocked(slotsInScope: Iterable<Slot>): boolean {
  let any = false
  for (const slot of slotsInScope) {
    any = true
    if (slot.state !== 'leased' || !slot.lentTo?.context?.isBlocked) return false
  }
  return any
}

import { readdirSync, readFileSync } from 'node:fs'
import { signal } from '../../src/demo/process-table.ts'

const FROZEN_MS = 5_000

/** Stops a process, and returns when none of its threads runs: one on another core goes on for a moment after the signal. */
export function freeze(pid: number): void {
  signal(pid, 'SIGSTOP')
  const deadline = performance.now() + FROZEN_MS
  while (!isFrozen(pid)) {
    if (performance.now() > deadline)
      throw new Error(`process ${pid} goes on ${FROZEN_MS} ms after it was stopped`)
  }
}

/** At once where there is no /proc to see it in, or no such process. */
function isFrozen(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      // The state, after a name that may hold blanks and brackets.
      return /^[TtZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
    })
  } catch {
    return true
  }
}

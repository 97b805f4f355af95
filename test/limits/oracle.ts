import fc from 'fast-check'
import type { Quota } from '../../src/limits/rate.ts'
import { SLICES } from '../../src/limits/sliding-window.ts'

/** One request and what was said to it. */
export interface Asked {
  /** ms. */
  readonly at: number
  readonly isTaken: boolean
}

/**
 * Judges by the times of all requests that were let in. No window holds more than the quota; and who was refused had
 * used it up within the window and a fiftieth.
 */
export function faultsOf(asked: readonly Asked[], { quota, windowMs }: Quota): string[] {
  const taken: number[] = []
  return asked.flatMap(({ at, isTaken }) => {
    const within = (ms: number) => taken.filter((one) => one > at - ms).length
    const faults = isTaken
      ? within(windowMs) < quota || `let in at ${at} beside ${within(windowMs)} of ${quota}`
      : within(windowMs * (1 + 1 / SLICES)) >= quota ||
        `refused at ${at} though ${within(windowMs)} of ${quota}`
    if (isTaken) taken.push(at)
    return faults === true ? [] : [faults]
  })
}

/** Quotas, and milliseconds between requests: crowds, pauses within a slice, and pauses that end a window. */
export const runs = fc.record({
  quota: fc.integer({ min: 1, max: 12 }),
  windowMs: fc.constantFrom(1_000, 2_000, 10_000, 60_000),
  start: fc.integer({ min: 0, max: 100_000 }),
  gaps: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 400 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 62_000 }) },
    ),
    { minLength: 1, maxLength: 80 },
  ),
})

export function timesOf({
  start,
  gaps,
}: {
  readonly start: number
  readonly gaps: readonly number[]
}): number[] {
  let at = start
  return gaps.map((gap) => (at += gap))
}

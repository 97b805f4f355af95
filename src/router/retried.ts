import { setTimeout } from 'node:timers/promises'
import { PostgresError } from '../connection/driver.ts'
import { CancelledError, InvalidRequestError, OutcomeUnknownError, SqlError } from '../errors.ts'

export interface RetryTerms {
  /** How many times more, 0 to 10. */
  readonly retry: number
  /** Milliseconds for all of it. */
  readonly withinMs: number
  readonly signal: AbortSignal | undefined
}

const MAX_RETRIES = 10
/** Of the wait before the second attempt; it doubles up to the longest, and each is cut by half at random. */
const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 1_000

/** serialization_failure and deadlock_detected: the server has undone the transaction, and another attempt may succeed. */
const WORTH_ANOTHER: ReadonlySet<string | undefined> = new Set(['40001', '40P01'])

/** An ORM wraps what its driver said, and is wrapped itself. */
const MAX_CAUSES = 5

/**
 * Runs `attempt` until it succeeds, fails for another reason, has failed once more than `retry`, or the time is up.
 * @param attempt is given the milliseconds that are left.
 * @throws what the last attempt failed with; {CancelledError} when the signal aborts between two.
 */
export async function retried<T>(terms: RetryTerms, attempt: (leftMs: number) => Promise<T>): Promise<T> {
  const { retry, withinMs, signal } = terms
  if (!Number.isInteger(retry) || retry < 0 || retry > MAX_RETRIES)
    throw new InvalidRequestError(
      `The transaction option retry must be a whole number from 0 to ${MAX_RETRIES}.`,
    )
  const endsAt = performance.now() + withinMs
  for (let failures = 0, leftMs = withinMs; ; ) {
    try {
      return await attempt(leftMs)
    } catch (error) {
      const waitMs = waitAfter(++failures)
      leftMs = Math.floor(endsAt - performance.now() - waitMs)
      if (failures > retry || leftMs < 1 || !isWorthAnother(error)) throw error
      await pause(waitMs, signal, error)
    }
  }
}

/** At random, so that two which got in each other's way do not do so again. */
function waitAfter(failures: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS) * (0.5 + Math.random() / 2)
}

async function pause(ms: number, signal: AbortSignal | undefined, cause: unknown): Promise<void> {
  try {
    await setTimeout(ms, undefined, signal ? { signal } : {})
  } catch {
    throw new CancelledError('cancelled before a transaction was tried again', { cause })
  }
}

/** Only what the server said of the transaction: of one whose COMMIT had no answer nobody knows what it has done. */
function isWorthAnother(thrown: unknown): boolean {
  let error = thrown
  for (let depth = 0; depth <= MAX_CAUSES && error instanceof Error; depth++) {
    if (error instanceof OutcomeUnknownError) return false
    if (error instanceof PostgresError) return WORTH_ANOTHER.has(error.code)
    if (error instanceof SqlError) return WORTH_ANOTHER.has(error.sqlstate)
    error = error.cause
  }
  return false
}

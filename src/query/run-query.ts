import type { Caller } from '../resolve/caller.ts'
import { AnswerText } from './answer-text.ts'
import type { HeldAnswer } from './held-bytes.ts'
import { limitsOf, type QueryLimits } from './query-limits.ts'
import { StatementGuard } from './statement-guard.ts'
import { type StatementInput, statementOf } from './statement-input.ts'
import { type Leasing, leaseFor } from './tenant-lease.ts'
import { refuseTransactionControl } from './transaction-control.ts'

export interface QueryInput extends StatementInput {
  /** A guard against mistakes: the statement runs inside `BEGIN READ ONLY`, at the price of two round trips. */
  readonly readOnly: boolean
  /** Milliseconds, at most those of the limits. */
  readonly timeoutMs?: number | undefined
  /** In objects, of two columns with one name the last is kept. */
  readonly rowMode: 'object' | 'array'
}

/**
 * Runs one statement for a caller and resolves the JSON text `{fields, rows, rowCount, command}`.
 * @param held counts the answer's bytes; the caller disposes of it when they have gone.
 * @param signal aborts when nobody waits for the answer any more, with an Error as its reason: the statement
 * is then cancelled on the server.
 * @throws {ResultTooLargeError} rows or bytes over the limits; whatever leasing and the statement throw.
 */
export async function runQuery(
  router: Leasing,
  caller: Caller,
  input: QueryInput,
  limits: QueryLimits,
  held: HeldAnswer,
  signal: AbortSignal,
): Promise<string> {
  if (input.readOnly) refuseTransactionControl(input.sql, 'The statement')
  const own = limitsOf(caller.tenant, limits)
  const statement = statementOf(input, caller, own, held)

  using lease = await leaseFor(router, caller, signal)
  using guard = new StatementGuard(
    lease,
    Math.min(input.timeoutMs ?? Infinity, own.statementTimeoutMs),
    signal,
  )
  if (input.readOnly) await guard.run({ text: 'begin read only', prepare: false })
  const result = await guard.run(statement)
  if (input.readOnly) await guard.run({ text: 'commit', prepare: false })
  return new AnswerText(own).add(result, input.rowMode)
}

import type { Caller } from '../resolve/caller.ts'
import { AnswerText } from './answer-text.ts'
import type { HeldAnswer } from './held-bytes.ts'
import { limitsOf, type QueryLimits } from './query-limits.ts'
import { StatementGuard } from './statement-guard.ts'
import { type StatementInput, statementOf } from './statement-input.ts'
import { type Leasing, leaseFor } from './tenant-lease.ts'
import { assertNoTransactionControl, refuseTransactionControl } from './transaction-control.ts'

export const ISOLATION_LEVELS = ['read committed', 'repeatable read', 'serializable'] as const
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number]

export interface TransactionInput {
  readonly statements: readonly StatementInput[]
  readonly isolation: IsolationLevel
  readonly readOnly: boolean
  /** Milliseconds of all statements together, at most those of the limits. */
  readonly timeoutMs?: number | undefined
  readonly rowMode: 'object' | 'array'
}

/**
 * Runs the statements in one transaction and resolves the JSON text `{results: [...]}`: all of them took
 * effect, or none. The first error is the answer; what was begun is then undone when the lease is cleaned.
 * @param held counts the answer's bytes; the caller disposes of it when they have gone.
 * @param signal as for `runQuery`.
 */
export async function runTransaction(
  router: Leasing,
  caller: Caller,
  input: TransactionInput,
  limits: QueryLimits,
  held: HeldAnswer,
  signal: AbortSignal,
): Promise<string> {
  input.statements.forEach(({ sql }, index) => refuseTransactionControl(sql, `Statement ${index + 1}`))
  const own = limitsOf(caller.tenant, limits)
  const statements = input.statements.map((statement) => statementOf(statement, caller, own, held))

  using lease = await leaseFor(router, caller, signal)
  using guard = new StatementGuard(
    lease,
    Math.min(input.timeoutMs ?? Infinity, own.statementTimeoutMs),
    signal,
  )
  const access = input.readOnly ? ' read only' : ''
  await guard.run({ text: `begin isolation level ${input.isolation}${access}`, prepare: false })
  // The first query takes the snapshot, and from then on Postgres refuses `SET TRANSACTION READ WRITE`.
  if (input.readOnly) await guard.run({ text: 'select 1', prepare: false })
  const answer = new AnswerText(own)
  const results: string[] = []
  for (const statement of statements) {
    const result = await guard.run(statement)
    assertNoTransactionControl(result.command)
    results.push(answer.add(result, input.rowMode))
  }
  await guard.run({ text: 'commit', prepare: false })
  return `{"results":[${results.join(',')}]}`
}

import type { Statement, StatementResult } from '../../connection/connection.ts'
import { Message } from '../../connection/message-reader.ts'
import { type FieldStorage, readStorage } from '../../connection/row-description.ts'
import type { Caller } from '../../resolve/caller.ts'
import type { HeldAnswer } from '../held-bytes.ts'
import { limitsOf, type QueryLimits } from '../query-limits.ts'
import { StatementGuard } from '../statement-guard.ts'
import { statementOf } from '../statement-input.ts'
import { type Leasing, leaseFor } from '../tenant-lease.ts'
import { assertNoTransactionControl, refuseTransactionControl } from '../transaction-control.ts'
import { NeonAnswer } from './neon-answer.ts'
import { countFault } from './parameter-count.ts'

export interface NeonQuery {
  readonly query: string
  /** JSON values. */
  readonly params: readonly unknown[]
  readonly arrayMode: boolean
}

/** Undefined where the server's default is meant. */
export interface NeonTransaction {
  readonly isolation?: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined
  readonly readOnly: boolean
  readonly deferrable: boolean
}

export interface NeonRequest {
  /** One query by itself, or the queries of a batch. */
  readonly queries: readonly NeonQuery[]
  /** Undefined: no batch. */
  readonly transaction: NeonTransaction | undefined
  /** Values as Postgres text. */
  readonly isText: boolean
}

/**
 * Runs what one request of `@neondatabase/serverless` asks for and resolves its answer as JSON text: of one
 * query its result, of a batch `{results}`, all in one transaction. Statements are never named and declare no
 * types.
 * @param held counts the answer's bytes; the caller disposes of it when they have gone.
 * @param signal as for `runQuery`.
 * @throws as `runTransaction`.
 */
export async function runNeon(
  router: Leasing,
  caller: Caller,
  request: NeonRequest,
  limits: QueryLimits,
  held: HeldAnswer,
  signal: AbortSignal,
): Promise<string> {
  const begin = beginText(request.transaction, caller.key.readOnly)
  if (begin !== undefined)
    request.queries.forEach(({ query }, index) => refuseTransactionControl(query, `Statement ${index + 1}`))
  const own = limitsOf(caller.tenant, limits)
  const answer = new NeonAnswer(own, request.isText)
  const statements = request.queries.map(({ query, params }) => ({
    ...statementOf({ sql: query, params }, caller, own, held),
    profile: answer.profile,
    prepare: false,
  }))

  using lease = await leaseFor(router, caller, signal)
  using guard = new StatementGuard(lease, own.statementTimeoutMs, signal)
  if (begin !== undefined) await guard.run({ text: begin, prepare: false })
  // The first query takes the snapshot, and from then on Postgres refuses `SET TRANSACTION READ WRITE`.
  if (caller.key.readOnly && request.transaction) await guard.run({ text: 'select 1', prepare: false })
  const results: string[] = []
  for (const [index, statement] of statements.entries()) {
    const { result, storage } = await described(guard, statement)
    if (begin !== undefined) assertNoTransactionControl(result.command)
    results.push(answer.add(result, storage, request.queries[index]?.arrayMode ?? false))
  }
  if (begin !== undefined) await guard.run({ text: 'commit', prepare: false })
  return request.transaction ? `{"results":[${results.join(',')}]}` : (results[0] ?? '')
}

/** A read-only key has a transaction around a single query too. */
function beginText(transaction: NeonTransaction | undefined, isReader: boolean): string | undefined {
  if (!transaction) return isReader ? 'start transaction read only' : undefined
  const modes = [
    ...(transaction.isolation ? [`isolation level ${transaction.isolation}`] : []),
    ...(transaction.readOnly || isReader ? ['read only'] : []),
    ...(transaction.deferrable ? ['deferrable'] : []),
  ]
  return `start transaction ${modes.join(', ')}`
}

interface Described {
  readonly result: StatementResult
  readonly storage: readonly FieldStorage[]
}

async function described(guard: StatementGuard, statement: Statement): Promise<Described> {
  let storage: readonly FieldStorage[] = []
  const hear = (type: number, body: Buffer) => {
    if (type === Message.rowDescription) storage = readStorage(body)
  }
  try {
    const result = await guard.run({ ...statement, hear })
    return { result, storage }
  } catch (error) {
    throw countFault(error, statement.text, statement.params?.length ?? 0)
  }
}

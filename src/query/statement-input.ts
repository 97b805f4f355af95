import type { Statement } from '../connection/connection.ts'
import type { Caller } from '../resolve/caller.ts'
import { ANSWER_PROFILE } from './answer-profile.ts'
import { parameterText } from './parameter.ts'
import type { QueryLimits } from './query-limits.ts'

/** One statement as a caller writes it; parameters are JSON values. */
export interface StatementInput {
  readonly sql: string
  readonly params: readonly unknown[]
}

/** Rows come as arrays of `ANSWER_PROFILE` values: two columns of one name are both there. */
export function statementOf(input: StatementInput, caller: Caller, limits: QueryLimits): Statement {
  return {
    text: input.sql,
    params: input.params.map((value, index) => parameterText(value, index + 1)),
    rowMode: 'array',
    profile: ANSWER_PROFILE,
    prepare: caller.trust === 'application',
    maxBytes: limits.maxResultBytes,
  }
}

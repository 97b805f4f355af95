/** Cached plan must not change its result; no such prepared statement. */
const STALE = new Set(['0A000', '26000'])
/** Syntax and names: what fits no more since a table was altered, as an operator to a column's new type. */
const UNFIT = /^42/

export interface PlanEvidence {
  readonly transaction: 'idle' | 'open' | 'failed'
  /** The server has taken the parameters in, and begins with the statement. */
  readonly isBound: boolean
}

/**
 * Whether a named statement failed before anything of it ran, for a reason that a new plan may not have. In a
 * transaction the failure has ended that, so it is for its user.
 */
export function isStalePlan(sqlstate: string, { transaction, isBound }: PlanEvidence): boolean {
  return transaction === 'idle' && !isBound && (STALE.has(sqlstate) || UNFIT.test(sqlstate))
}

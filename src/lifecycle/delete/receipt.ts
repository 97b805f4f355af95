import { z } from 'zod'

/** What a purge looks after, in this order. */
export const PURGED = ['sessions', 'database', 'roles', 'keys', 'aliases', 'operations', 'record'] as const

/** What became of one part of a tenant, looked at after it was done. */
export const PurgeLine = z.strictObject({
  what: z.enum(PURGED),
  /**
   * `gone`: nothing of it was found any more. `left`: it is not ours, and stays. `unverified`: its server was said to be
   * gone for good and did not answer, so nobody has seen what became of it.
   */
  outcome: z.enum(['gone', 'left', 'unverified']),
  /** Ended, dropped or removed by this purge, over all its runs. */
  count: z.int().min(0),
  /** In words, with names. */
  detail: z.string().max(2_000),
})
export type PurgeLine = z.output<typeof PurgeLine>

export const Receipt = z.array(PurgeLine)
export type Receipt = z.output<typeof Receipt>

/** With what is known of one part by now: a step that ran twice counts what both did. */
export function withLine(receipt: Receipt, line: PurgeLine): Receipt {
  const before = receipt.find(({ what }) => what === line.what)
  const next = { ...line, count: line.count + (before?.count ?? 0) }
  return before === undefined
    ? [...receipt, next]
    : receipt.map((present) => (present === before ? next : present))
}

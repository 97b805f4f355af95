import type { RowBatch } from '../connection/row-stream.ts'
import { ResultTooLargeError } from '../errors.ts'
import type { Caller } from '../resolve/caller.ts'
import type { HeldAnswer } from './held-bytes.ts'
import { limitsOf, type QueryLimits } from './query-limits.ts'
import type { QueryInput } from './run-query.ts'
import { StatementGuard } from './statement-guard.ts'
import { statementOf } from './statement-input.ts'
import type { StreamFormat } from './stream-format.ts'
import { type Leasing, leaseFor } from './tenant-lease.ts'
import { refuseTransactionControl } from './transaction-control.ts'

/** Where the text of a stream goes. */
export interface StreamTarget {
  /** Keeps the bytes at once; resolves when more is wanted, rejects when nobody takes them. */
  write(bytes: Uint8Array): Promise<void>
}

/**
 * Runs one statement for a caller and writes its rows while they come, no faster than they are taken. The
 * time limit counts what the database takes; how long the reader may take is the target's to say, and the
 * lease bounds both together.
 * @param signal as for `runQuery`, until the last byte is written.
 * @throws {ResultTooLargeError} past the cap of a stream; whatever leasing, the statement and the target throw.
 */
export async function runStream(
  router: Leasing,
  caller: Caller,
  input: QueryInput,
  stream: { readonly format: StreamFormat; readonly target: StreamTarget; readonly held: HeldAnswer },
  limits: QueryLimits,
  signal: AbortSignal,
): Promise<void> {
  if (input.readOnly) refuseTransactionControl(input.sql, 'The statement')
  const { format, target, held } = stream
  const own = limitsOf(caller.tenant, limits)
  const { maxRows: _, ...statement } = statementOf(input, caller, own, held)
  const sent = new StreamCap(limits.maxStreamBytes)

  using lease = await leaseFor(router, caller, signal)
  using guard = new StatementGuard(
    lease,
    Math.min(input.timeoutMs ?? Infinity, own.statementTimeoutMs),
    signal,
  )
  if (input.readOnly) await guard.run({ text: 'begin read only', prepare: false })
  let taken = Promise.resolve()
  const take = (batch: RowBatch) => (taken = written(batch))
  const written = async (batch: RowBatch) => {
    const bytes = sent.counted(format.batch(batch))
    held.shrinkTo(bytes.length)
    await target.write(bytes)
    held.shrinkTo(0)
  }
  const end = await guard.stream({ ...statement, profile: format.profile }, take)
  if (input.readOnly) await guard.run({ text: 'commit', prepare: false })
  lease.release()
  await taken // the database is done before its last rows have gone
  const last = sent.counted(format.end(end))
  if (last.length > 0) await target.write(last)
}

class StreamCap {
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @throws {ResultTooLargeError} */
  counted(text: string): Uint8Array {
    const bytes = Buffer.from(text)
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes)
      throw new ResultTooLargeError(`a stream of more than ${this.#maxBytes} bytes`)
    return bytes
  }
}

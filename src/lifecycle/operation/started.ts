import { InternalError } from '../../errors.ts'
import type { Also, Operation } from './operation.ts'
import type { OperationView } from './operation-view.ts'

/** An operation under way, and what it comes to. */
export interface Started<T> {
  /** Null: there was nothing to do. */
  readonly operation: OperationView | null
  /** Rejects with what ended the operation; nobody needs to listen, as that stands in its record too. */
  readonly result: Promise<T>
}

/**
 * Lets the work run, which ends its operation as done. What it throws ends it as failed.
 * @param failed what is to be on record with that.
 */
export function started<T>(
  operation: Operation,
  work: () => Promise<T>,
  failed: (error: unknown) => Also = () => ({}),
): Started<T> {
  const { view } = operation
  const result = carryOut(operation, work, failed)
  result.catch(() => undefined)
  return { operation: view, result }
}

async function carryOut<T>(
  operation: Operation,
  work: () => Promise<T>,
  failed: (error: unknown) => Also,
): Promise<T> {
  await using underWay = operation
  try {
    const result = await work()
    if (underWay.record.state === 'running')
      throw new InternalError('an operation ended and its record does not say so')
    return result
  } catch (error) {
    await underWay.fail(error, failed(error))
    throw error
  }
}

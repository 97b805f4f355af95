import {
  CancelledError,
  RegistryTooNewError,
  RegistryTooOldError,
  RegistryUnavailableError,
  RevisionConflictError,
  SqlError,
} from '../../errors.ts'

/** What the commit functions raise where an expectation does not hold. */
const CONFLICT = 'TR001'

/** What went wrong, in the registry's words. */
export async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof SqlError && cause.sqlstate === CONFLICT) {
      throw new RevisionConflictError(cause.fields.message, { cause })
    }
    const isOurs = [RegistryUnavailableError, RegistryTooNewError, RegistryTooOldError, CancelledError].some(
      (type) => cause instanceof type,
    )
    if (isOurs) throw cause
    const why = cause instanceof Error ? cause.message : 'no answer'
    throw new RegistryUnavailableError(`the management database: ${why}`, { cause })
  }
}

import { SqlError } from '../../errors.ts'

const INDETERMINATE_DATATYPE = '42P18'
const PROTOCOL_VIOLATION = '08P01'

/**
 * The driver declares as many parameters as there are values, so of one too many the server says that it
 * cannot know its type; to a client that declares none it says how many it wants.
 * @returns that error instead, where it is the reason; else the error as it is.
 */
export function countFault(error: unknown, text: string, supplied: number): unknown {
  if (!(error instanceof SqlError) || error.sqlstate !== INDETERMINATE_DATATYPE) return error
  let required = 0
  // One by one: a text may hold more of them than a call takes arguments.
  for (const [, number] of text.matchAll(/\$(\d+)/g)) required = Math.max(required, Number(number))
  if (required >= supplied) return error
  const message = `bind message supplies ${supplied} parameters, but prepared statement "" requires ${required}`
  return new SqlError({ severity: 'ERROR', code: PROTOCOL_VIOLATION, message }, { cause: error })
}

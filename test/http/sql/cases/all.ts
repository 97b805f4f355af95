import type { SqlCase } from '../sql-case.ts'
import { malformedBodies, sqlErrors } from './errors.ts'
import { clientValues, exactText } from './exact-text.ts'
import { parameters } from './parameters.ts'
import { rawHttp } from './raw-http.ts'
import { shapes, tags } from './results.ts'
import { sessions } from './sessions.ts'
import { transactions } from './transactions.ts'

/** Every case of the protocol, by what it is about. */
export const CASES: Readonly<Record<string, readonly SqlCase[]>> = {
  'exact text': exactText,
  'values in the client': clientValues,
  parameters,
  'tags and counts': tags,
  'shapes of results': shapes,
  'errors of Postgres': sqlErrors,
  'malformed bodies': malformedBodies,
  transactions,
  sessions,
  'without the client': rawHttp,
}

import type { z } from 'zod'

/** What an answer holds: JSON of this schema, or something else, in words. */
export type Answer = z.ZodType | { readonly mediaType: string; readonly what: string }

/** What the OpenAPI document says of a route beside its path and who may. */
export interface RouteDoc {
  /** In the imperative, without a full stop. */
  readonly summary: string
  readonly query?: z.ZodObject
  /** As it may be sent: what has a default may be left out. */
  readonly body?: z.ZodType
  /** Other media types that a body may be of. */
  readonly otherBodies?: readonly string[]
  /** Headers of the route's own: name → what it says. */
  readonly headers?: Readonly<Record<string, string>>
  /** Status → what it holds. Problems are the same everywhere. */
  readonly answers: Readonly<Record<number, Answer>>
  /** Other media types that the answer of 200 may be of. */
  readonly otherAnswers?: readonly string[]
  /** May take long: 202 with the operation where the caller does not want to wait (`Prefer`). */
  readonly isLong?: true
}

export function isSchema(answer: Answer): answer is z.ZodType {
  return 'safeParse' in answer
}

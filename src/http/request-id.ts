import { randomUUID } from 'node:crypto'

const REQUEST_ID = /^[\w\-=]{1,64}$/

/** The id that was given to a request, where it may be one; else a new one. */
export function requestIdOf(given: unknown): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

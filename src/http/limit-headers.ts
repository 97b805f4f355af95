import type { Context } from 'hono'
import type { Standing } from '../limits/standing.ts'
import { answerHeader } from './answer-header.ts'

/**
 * `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 writes them: what is allowed, and how
 * much of it is left. Where nobody counts, only the first.
 */
export function limitHeaders({ allowance, remaining, resetMs, active }: Standing): [string, string][] {
  const { rate, concurrency } = allowance
  const policy: string[] = []
  const left: string[] = []
  if (rate !== null) {
    policy.push(`"requests";q=${rate.quota};w=${rate.windowSeconds}`)
    if (remaining !== null) left.push(`"requests";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`)
  }
  if (concurrency !== null) {
    policy.push(`"concurrency";q=${concurrency};qu="concurrent-requests"`)
    if (active !== null) left.push(`"concurrency";r=${Math.max(0, concurrency - active)}`)
  }
  const headers = { 'ratelimit-policy': policy.join(', '), ratelimit: left.join(', ') }
  return Object.entries(headers).filter(([, value]) => value !== '')
}

/** Sets them on the answer. */
export function tellLimits(c: Context, standing: Standing): void {
  for (const [name, value] of limitHeaders(standing)) answerHeader(c, name, value)
}

import type { Context } from 'hono'
import type { Standing } from '../limits/standing.ts'
import { outgoingOf } from './request-context.ts'

/**
 * `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 writes them: what is allowed, and how
 * much of it is left. Where nobody counts, only the first.
 */
export function tellLimits(c: Context, { allowance, remaining, resetMs, active }: Standing): void {
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
  if (policy.length > 0) setHeader(c, 'ratelimit-policy', policy.join(', '))
  if (left.length > 0) setHeader(c, 'ratelimit', left.join(', '))
}

/** On Node's own response where there is one: on the context it makes Hono build a `Headers` for each answer. */
function setHeader(c: Context, name: string, value: string): void {
  const outgoing = outgoingOf(c)
  if (outgoing) outgoing.setHeader(name, value)
  else c.header(name, value)
}

import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from 'hono'
import type { Started } from '../../lifecycle/operation/started.ts'
import type { Mutations } from '../mutations.ts'
import type { OperatorEnv } from '../request-context.ts'

/** Longer than this nobody is kept waiting: proxies between would cut the request. */
const MAX_WAIT_S = 240

/**
 * Answers with what an operation comes to. Where that takes longer than the caller waits (`Prefer: respond-async`, or
 * `wait=SECONDS`; RFC 7240), with 202 and where to ask: the operation goes on, and a shutdown waits for it.
 * @throws what ended the operation.
 */
export async function answerStarted<T>(
  c: Context<OperatorEnv>,
  mutations: Mutations,
  { operation, result }: Started<T>,
  answer: (result: T) => Response,
): Promise<Response> {
  if (operation === null) return answer(await result)
  // From now on, not from the answer: a shutdown may begin in between, and counts nothing more.
  mutations.run(() => result.then(ignore, ignore)).catch(ignore)
  const waitMs = waitMsOf(c)
  const over = new AbortController()
  const late = delay(waitMs, 'late' as const, { signal: over.signal }).catch(() => 'late' as const)
  try {
    const first = await Promise.race([result.then((value) => ({ value })), late])
    if (first !== 'late') return answer(first.value)
  } finally {
    over.abort()
  }
  c.header('location', `/v1/operations/${operation.id}`)
  return c.json({ operation }, 202)
}

function ignore(): void {}

/** What is no number of seconds is passed over, as RFC 7240 wants it: by now the operation is under way. */
function waitMsOf(c: Context<OperatorEnv>): number {
  const preferences = (c.req.header('prefer') ?? '').split(',').map((text) => text.trim().toLowerCase())
  if (preferences.includes('respond-async')) return 0
  const wait = preferences.find((text) => text.startsWith('wait='))?.slice('wait='.length)
  if (wait === undefined) return MAX_WAIT_S * 1_000
  if (!/^\d{1,9}$/.test(wait)) return MAX_WAIT_S * 1_000
  return Math.min(Number(wait), MAX_WAIT_S) * 1_000
}

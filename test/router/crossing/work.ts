import type { World } from '../../support/world.ts'
import { codeOf, type Tally } from './tally.ts'

export interface Ground {
  readonly world: World
  readonly tally: Tally
  readonly anyTenant: () => string
}

/** What a worker does with a lease or two. Throws when an answer is not the tenant's own, whole. */
export type Work = (ground: Ground, tenant: string) => Promise<void>

/** What one operation may end with when its backend was killed. */
const DISTURBANCES: ReadonlySet<string> = new Set(['connection_lost', 'outcome_unknown', '57P01'])

export function isDisturbance(error: unknown): boolean {
  return DISTURBANCES.has(codeOf(error))
}

/** What the lease ends with where the backend was killed while it was being opened. */
export function isRefusal(error: unknown): boolean {
  return codeOf(error) === 'server_unavailable'
}

/** Throws where it succeeds, and where it fails of something else. */
export async function expectCode(outcome: Promise<unknown>, ...codes: string[]): Promise<void> {
  try {
    await outcome
  } catch (error) {
    if (codes.includes(codeOf(error))) return
    throw error
  }
  throw new Error(`it succeeded, instead of ${codes.join(' or ')}`)
}

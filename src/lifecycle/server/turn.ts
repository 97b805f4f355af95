import { setTimeout as delay } from 'node:timers/promises'
import { RevisionConflictError } from '../../errors.ts'
import type { Entry, Expectation, Put } from '../../registry/registry.ts'
import { now } from '../parts.ts'

const ATTEMPTS = 30
const STEP_MS = 10

/**
 * What a commit must hold so that it happens only if nobody else committed on the cluster since its servers
 * were read.
 */
export function turnOn(servers: readonly Entry<'server'>[]): { puts: Put[]; expectations: Expectation[] } {
  return {
    puts: servers.map(({ id, record }) => ({
      kind: 'server',
      id,
      record: { ...record, updatedAt: now() },
    })),
    expectations: servers.map(({ id, revision }) => ({ kind: 'server', id, revision })),
  }
}

/**
 * Looks and commits, and looks again where somebody else committed meanwhile.
 * @throws {RevisionConflictError} where others were faster every time.
 */
export async function inTurn<T>(lookAndCommit: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await lookAndCommit()
    } catch (error) {
      if (!(error instanceof RevisionConflictError) || attempt === ATTEMPTS) throw error
    }
    // At random, so that those who wait for one cluster do not all come back at once.
    await delay(Math.random() * STEP_MS * attempt)
  }
}

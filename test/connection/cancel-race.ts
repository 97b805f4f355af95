import type { Connection } from '../../src/connection/connection.ts'
import { CancelledError } from '../../src/errors.ts'
import { failureOf } from './port-under-test.ts'

export interface RaceCount {
  /** Statements that a cancel ended. */
  cancelled: number
  /** Statements that ended by themselves before their cancel came. */
  answered: number
  /** What statements that nobody cancelled ended of, other than their answer. */
  innocent: unknown[]
}

/** Cancels statements about when they end, each followed at once by one that nobody cancels. */
export async function raceCancels(connections: readonly Connection[], cancels: number): Promise<RaceCount> {
  const count: RaceCount = { cancelled: 0, answered: 0, innocent: [] }
  let left = cancels
  const worker = async (connection: Connection) => {
    while (left-- > 0) {
      const guilty = failureOf(
        connection.run({ text: 'select pg_sleep($1)', params: [Math.random() * 0.002] }),
      )
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
      const cancelling = connection.cancel()
      const end = await guilty
      if (end instanceof CancelledError) count.cancelled++
      else if (end === 'answered') count.answered++
      else count.innocent.push(end)
      const innocent = await failureOf(connection.run({ text: 'select pg_sleep(0.0005)' }))
      if (innocent !== 'answered') count.innocent.push(innocent)
      await cancelling
    }
  }
  await Promise.all(connections.map(worker))
  return count
}

import type { ChildService } from './child-service.ts'
import { answerOf, type ServiceWorld } from './service-world.ts'

const MIB = 1_048_576
/** Of the pods of k8s/. */
export const MEMORY_LIMIT = 512 * MIB

export interface CrowdMemory {
  readonly before: number
  readonly highest: number
  /** Each status and code that was answered, once. */
  readonly answers: readonly string[]
}

/** Resident memory while so many ask at once for ten million rows each. */
export async function memoryOfCrowd(
  world: ServiceWorld<ChildService>,
  key: string,
  clients: number,
): Promise<CrowdMemory> {
  const rss = () => world.service.metric('process_resident_memory_bytes')
  const before = await rss()
  const body = { sql: 'select generate_series(1, 10000000)' }
  const asked = Array.from({ length: clients }, () => answerOf(world.open('/v1/query', { key, body })))
  let highest = before
  let isOver = false
  const watching = (async () => {
    while (!isOver) highest = Math.max(highest, await rss())
  })()
  const answers = await Promise.all(asked)
  isOver = true
  await watching
  return {
    before,
    highest,
    answers: [...new Set(answers.map(({ status, json }) => `${status} ${json.code}`))],
  }
}

import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { JobEnvelope, Jobs } from 'tenantry/redis'
import { z } from 'zod'
import * as schema from './schema.ts'

export interface JobQueue {
  add(envelope: JobEnvelope): void
}

const MAX_WAITING = 1_000
const Finish = z.object({ project: z.number() })

/**
 * Runs jobs in this process, one after the other. What a queue carries is an object of JSON: BullMQ, or a table, takes
 * the place of this one where jobs must outlive the process.
 */
export class LocalQueue implements JobQueue {
  readonly #jobs: Jobs
  readonly #onFault: (fault: unknown) => void
  #waiting = 0
  #last: Promise<void> = Promise.resolve()

  constructor(jobs: Jobs, onFault: (fault: unknown) => void) {
    this.#jobs = jobs
    this.#onFault = onFault
  }

  add(envelope: JobEnvelope): void {
    if (this.#waiting >= MAX_WAITING) throw new Error('too many jobs are waiting')
    this.#waiting += 1
    this.#last = this.#last
      .then(() => runJob(this.#jobs, envelope))
      .catch(this.#onFault)
      .finally(() => (this.#waiting -= 1))
  }

  /** Resolves when every job that was added has run. */
  idle(): Promise<void> {
    return this.#last
  }
}

/** A worker of any queue calls this with what it took from there. It runs as the job's tenant, or not at all. */
export async function runJob(jobs: Jobs, envelope: unknown): Promise<void> {
  await jobs.run(envelope, async ({ payload, sql }) => {
    const { project } = Finish.parse(payload)
    const db = drizzle(sql, { schema })
    await db.update(schema.tasks).set({ isDone: true }).where(eq(schema.tasks.projectId, project))
  })
}

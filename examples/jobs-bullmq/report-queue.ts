import { type ConnectionOptions, Queue, UnrecoverableError, Worker } from 'bullmq'
import { type Job, JobOutdatedError, JobRefusedError, type Jobs } from 'tenantry'

const NAME = 'reports'

/** Where requests put jobs: within a tenant's context, as behind `tenancy()`. */
export function reportQueue(jobs: Jobs, connection: ConnectionOptions) {
  const queue = new Queue(NAME, {
    connection,
    defaultJobOptions: { attempts: 5, backoff: { type: 'exponential', delay: 100 }, removeOnComplete: true },
  })
  return {
    add: async (projectId: number) => queue.add('report', await jobs.seal('report', { projectId })),
    close: () => queue.close(),
  }
}

/** Runs them, each as its tenant. */
export function reportWorker(
  jobs: Jobs,
  connection: ConnectionOptions,
  makeReport: (job: Job) => Promise<void>,
) {
  return new Worker(
    NAME,
    async (job) => {
      try {
        await jobs.run(job.data, makeReport)
      } catch (error) {
        // It can never run: no further attempt.
        if (error instanceof JobRefusedError)
          throw new UnrecoverableError(`${error.reason}: ${error.message}`)
        // The tenant's route has changed since, which is nothing to a report: the next attempt is of the new one.
        if (error instanceof JobOutdatedError) await job.updateData(await jobs.renew(job.data))
        throw error // all else may pass
      }
    },
    { connection },
  )
}

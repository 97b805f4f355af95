import { Queue } from 'bullmq'
import { createJobs, type Job, type Jobs, parseTenantId, runAsTenant } from 'tenantry'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { reportQueue, reportWorker } from '../../examples/jobs-bullmq/report-queue.ts'
import { type ScopeGround, startScopes } from '../scope/scope-ground.ts'

let ground: ScopeGround
let jobs: Jobs
beforeAll(async () => {
  ground = await startScopes()
  jobs = createJobs({
    router: ground.world.router,
    redis: ground.redis,
    key: 'the key of these jobs: 32 characters',
  })
})
afterAll(() => ground[Symbol.asyncDispose]())

const address = () => ({ host: ground.server.host, port: ground.server.port })

describe('the example with BullMQ', () => {
  it('runs a job as its tenant, one of an older route too, and none that was copied or forged', async () => {
    const queue = reportQueue(jobs, address())
    const bare = new Queue('reports', { connection: address() })
    const outdated = await runAsTenant(parseTenantId('acme'), () => queue.add(1))
    await ground.raiseEpoch('acme')
    const copied = await bare.add('report', await jobs.seal('report', { projectId: 2 }, { tenant: 'acme' }), {
      attempts: 5,
    })
    const forged = await bare.add('report', { ...copied.data, tenant: 'globex' }, { attempts: 5 })
    const made: unknown[] = []
    const worker = reportWorker(jobs, address(), async ({ payload, sql }: Job) => {
      const [row] = await sql<[{ tenant: string }]>`select tenant from notes limit 1`
      made.push([row.tenant, payload])
    })
    try {
      await vi.waitFor(() => expect(made).toHaveLength(2), 10_000)
      await vi.waitFor(async () => expect(await outdated.getState()).toBe('unknown'), 10_000) // done and removed
      const again = await bare.add('report', copied.data, { attempts: 5 })
      await vi.waitFor(async () => expect(await again.isFailed()).toBe(true), 10_000)
      await vi.waitFor(async () => expect(await forged.isFailed()).toBe(true), 10_000)
      const failed = await bare.getFailed()
      expect(new Set(failed.map(({ failedReason }) => failedReason.split(':')[0]))).toEqual(
        new Set(['forged', 'replayed']),
      )
      expect(failed.map(({ attemptsMade }) => attemptsMade)).toEqual([1, 1])
      expect(made).toEqual(
        expect.arrayContaining([
          ['acme', { projectId: 1 }],
          ['acme', { projectId: 2 }],
        ]),
      )
      expect(made).toHaveLength(2)
    } finally {
      await worker.close()
      await bare.close()
      await queue.close()
    }
  })
})

import { EventEmitter, once } from 'node:events'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  InvalidConfigError,
  InvalidRequestError,
  JobOutdatedError,
  JobRefusedError,
  JobRunningError,
  NoTenantError,
  TenantMismatchError,
  TenantSuspendedError,
  TenantUnavailableError,
} from '../../src/errors.ts'
import type { JobEnvelope } from '../../src/scope/job-envelope.ts'
import { createJobs, type Job, type Jobs, type JobsOptions } from '../../src/scope/jobs.ts'
import { Secret } from '../../src/secret.ts'
import { currentTenant, runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { type ScopeGround, startScopes } from './scope-ground.ts'

const KEY = 'the key of these jobs: 32 characters'

let ground: ScopeGround
let jobs: Jobs
beforeAll(async () => {
  ground = await startScopes()
  jobs = newJobs()
})
afterAll(() => ground[Symbol.asyncDispose]())

/** As another process would have them. */
const newJobs = (options: Partial<JobsOptions> = {}) =>
  createJobs({ router: ground.world.router, key: KEY, redis: ground.redis, ...options })
const sealed = (tenant = 'acme', payload: unknown = { n: 1 }) => jobs.seal('report', payload, { tenant })
const idOf = ({ id }: Job) => id

/** The reason why it is refused, without the handler being asked. */
async function refusal(envelope: unknown, by = jobs): Promise<unknown> {
  const handler = vi.fn<(job: Job) => void>()
  const error: unknown = await by.run(envelope, handler).catch((fault: unknown) => fault)
  expect(handler).not.toHaveBeenCalled()
  return error instanceof JobRefusedError ? error.reason : error
}

describe('a job', () => {
  it('runs in another process as its tenant, on connections of its own', async () => {
    const envelope = await runAsTenant(parseTenantId('acme'), () => jobs.seal('report', { list: [1, 'ü'] }))
    const carried: unknown = JSON.parse(JSON.stringify(envelope))
    const found = await newJobs({ key: new Secret(KEY) }).run(carried, async (job) => {
      const [row] = await job.sql<[{ tenant: string }]>`select tenant from notes limit 1`
      const [ambient] = await ground.world.router.sql()<
        [{ tenant: string }]
      >`select tenant from notes limit 1`
      return { ...job, sql: [row.tenant, ambient.tenant, currentTenant()] }
    })
    expect(found).toMatchObject({
      id: envelope.id,
      name: 'report',
      tenant: 'acme',
      payload: { list: [1, 'ü'] },
      sql: ['acme', 'acme', 'acme'],
    })
    expect(currentTenant()).toBeUndefined()
    expect(Math.abs(found.issuedAt.getTime() - Date.now())).toBeLessThan(60_000)
  })

  it('leases in the class for batches', async () => {
    const classes: unknown[] = []
    const lease = vi.spyOn(ground.world.router, 'lease').mockImplementation((_, options) => {
      classes.push(options?.class)
      return Promise.reject(new Error('seen'))
    })
    try {
      await expect(jobs.run(await sealed(), ({ sql }) => sql`select 1`)).rejects.toThrow('seen')
    } finally {
      lease.mockRestore()
    }
    expect(classes).toEqual(['batch'])
  })

  it('survives a queue that reorders, and one that carries text', async () => {
    const { signature, ...rest } = await sealed('acme', { b: 1, a: 1e300, c: 0.1 })
    expect(await jobs.run({ signature, ...Object.fromEntries(Object.entries(rest).reverse()) }, idOf)).toBe(
      rest.id,
    )
    const text = JSON.stringify(await sealed())
    expect(await jobs.run(text, ({ payload }) => payload)).toEqual({ n: 1 })
  })

  it('is made only for a tenant that is named or ambient, and with a payload that a queue may carry', async () => {
    await expect(jobs.seal('report', {})).rejects.toThrow(NoTenantError)
    await runAsTenant(parseTenantId('globex'), () =>
      expect(sealed('acme')).rejects.toThrow(TenantMismatchError),
    )
    for (const wrong of [undefined, 1n, 'x'.repeat(70_000)])
      await expect(jobs.seal('report', wrong, { tenant: 'acme' })).rejects.toThrow(InvalidRequestError)
    await expect(jobs.seal('', 1, { tenant: 'acme' })).rejects.toThrow(InvalidRequestError)
    expect(() => newJobs({ key: 'short' })).toThrow(InvalidConfigError)
    expect(inspect(jobs, { depth: 10 })).not.toContain(KEY)
  })
})

describe('a job that can never run', () => {
  it('is refused where anything in it was altered', async () => {
    const envelope = await sealed()
    const altered: Partial<Record<keyof JobEnvelope, unknown>>[] = [
      { tenant: 'globex' },
      { generation: envelope.generation + 1 },
      { epoch: envelope.epoch + 1 },
      { name: 'other' },
      { payload: '{"n":2}' },
      { issuedAt: envelope.issuedAt + 1 },
      { id: crypto.randomUUID() },
      { signature: (await sealed()).signature },
    ]
    for (const change of altered) expect(await refusal({ ...envelope, ...change })).toBe('forged')
    expect(await jobs.run(envelope, idOf)).toBe(envelope.id)
  })

  it('is refused where any character of it was changed', async () => {
    const text = JSON.stringify(await sealed())
    await fc.assert(
      fc.asyncProperty(
        fc.nat(text.length - 1),
        fc.constantFrom('0', 'a', 'A', 'B', '"', '}', '-', '_', ' '),
        async (at, letter) => {
          const changed = text.slice(0, at) + letter + text.slice(at + 1)
          fc.pre(changed !== text)
          expect(['forged', 'malformed']).toContain(await refusal(changed))
        },
      ),
      { numRuns: 200 },
    )
  })

  it('is refused where it is no envelope at all', async () => {
    const envelope = await sealed()
    const { signature, ...unsigned } = envelope
    for (const wrong of [
      undefined,
      null,
      7,
      '',
      '{',
      [],
      unsigned,
      { ...envelope, v: 2 },
      { ...envelope, more: 1 },
      { ...envelope, signature: `${signature}A` },
      'x'.repeat(10_000_000),
    ])
      expect(await refusal(wrong)).toBe('malformed')
  })

  it('is refused where another key or another registry sealed it', async () => {
    const { router } = ground.world
    const other = newJobs({ key: 'another key of at least 32 characters' })
    expect(await refusal(await other.seal('report', 1, { tenant: 'acme' }))).toBe('forged')
    const registry = { ...router.registry, id: crypto.randomUUID() }
    const elsewhere = newJobs({
      router: Object.create(router, { registry: { value: registry } }) as typeof router,
    })
    expect(await refusal(await elsewhere.seal('report', 1, { tenant: 'acme' }))).toBe('forged')
  })

  it('opens with a former key, and is sealed with the present one', async () => {
    const envelope = await sealed()
    const next = newJobs({ key: 'the next key of at least 32 characters', formerKeys: [KEY] })
    expect(await next.run(envelope, idOf)).toBe(envelope.id)
    expect(await refusal(await next.seal('report', 1, { tenant: 'acme' }))).toBe('forged') // to who has the old one alone
  })

  it('is refused where it is too old, or of the future', async () => {
    const brief = newJobs({ maxAgeMs: 1 })
    const envelope = await sealed()
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(envelope.issuedAt + 1))
    expect(await refusal(envelope, brief)).toBe('expired')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
    try {
      expect(await refusal(envelope)).toBe('malformed')
    } finally {
      vi.useRealTimers()
    }
  })

  it('is refused when it has run', async () => {
    const envelope = await sealed()
    await jobs.run(envelope, idOf)
    expect(await refusal(envelope)).toBe('replayed')
    expect(await refusal(envelope, newJobs())).toBe('replayed')
    expect(jobs.refusesReplays).toBe(true)
  })

  it('is refused where its tenant is deleted, unknown, or another of the same name', async () => {
    const [deleted, remade] = [await sealed('globex'), await sealed('initech')]
    await ground.setStatus('globex', 'deleted')
    expect(await refusal(deleted)).toBe('tenant_gone')
    await ground.remake('initech')
    expect(await refusal(remade)).toBe('tenant_gone')
    await expect(jobs.renew(remade)).rejects.toThrow(JobRefusedError)
    await ground.setStatus('globex', 'active')
    expect(await jobs.run(deleted, idOf)).toBe(deleted.id)
  })
})

describe('a job that may run later', () => {
  it('is refused as outdated where its tenant’s route has changed, and runs once when it was renewed', async () => {
    const envelope = await sealed()
    await ground.raiseEpoch('acme')
    expect(await refusal(envelope)).toBeInstanceOf(JobOutdatedError)
    const renewed = await jobs.renew(envelope)
    expect(renewed).toMatchObject({ id: envelope.id, epoch: envelope.epoch + 1, issuedAt: envelope.issuedAt })
    expect(await jobs.run(renewed, idOf)).toBe(envelope.id)
    expect(await refusal(await jobs.renew(envelope))).toBe('replayed')
    await expect(jobs.renew({ ...envelope, name: 'other' })).rejects.toThrow(JobRefusedError)
  })

  it('waits for the end of a suspension, and for a registry that is behind', async () => {
    const envelope = await sealed('globex')
    await ground.setStatus('globex', 'suspended')
    expect(await refusal(envelope)).toBeInstanceOf(TenantSuspendedError)
    await ground.setStatus('globex', 'active')
    await ground.raiseEpoch('globex')
    const newer = await sealed('globex')
    await ground.world.change('globex', (record) => ({ ...record, epoch: record.epoch - 1 }))
    await vi.waitFor(async () => expect(await refusal(newer)).toBeInstanceOf(TenantUnavailableError))
    expect(await jobs.run(envelope, idOf)).toBe(envelope.id)
  })

  it('runs again after its handler has failed', async () => {
    const envelope = await sealed()
    await expect(jobs.run(envelope, () => Promise.reject(new Error('no luck')))).rejects.toThrow('no luck')
    expect(await jobs.run(envelope, idOf)).toBe(envelope.id)
  })

  it('does not run twice at the same time', async () => {
    const envelope = await sealed()
    const end = new EventEmitter()
    const handler = vi.fn<() => Promise<unknown>>(() => once(end, 'end'))
    const first = jobs.run(envelope, handler)
    await vi.waitFor(() => expect(handler).toHaveBeenCalledOnce())
    expect(await refusal(envelope)).toBeInstanceOf(JobRunningError)
    end.emit('end')
    await first
    expect(await refusal(envelope)).toBe('replayed')
  })

  it('is told when its time is over, and runs again where its worker is not heard of any more', async () => {
    const brief = newJobs({ maxRunMs: 50 })
    await brief.run(await sealed(), async ({ signal }) => {
      await vi.waitFor(() => expect(signal.aborted).toBe(true), 10_000)
    })
    const lost = await sealed()
    void brief.run(lost, () => new Promise<never>(() => {}))
    await vi.waitFor(async () => expect(await jobs.run(lost, idOf)).toBe(lost.id), 10_000)
  })
})

describe('without Redis', () => {
  it('jobs run, and it is said that one presented twice runs twice', async () => {
    const { redis: _, ...rest } = { router: ground.world.router, key: KEY, redis: undefined }
    const alone = createJobs(rest)
    expect(alone.refusesReplays).toBe(false)
    const envelope = await sealed()
    expect([await alone.run(envelope, idOf), await alone.run(envelope, idOf)]).toEqual([
      envelope.id,
      envelope.id,
    ])
  })

  it('that was asked for, nothing runs that may have run before', async () => {
    const envelope = await sealed()
    await ground.server.kill()
    try {
      expect(await refusal(envelope)).toMatchObject({ code: 'redis_unavailable' })
    } finally {
      await ground.server.restart()
    }
    await vi.waitFor(async () => expect(await jobs.run(envelope, idOf)).toBe(envelope.id), 10_000)
  })
})

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Sql } from '../connection/sql.ts'
import {
  JobOutdatedError,
  JobRefusedError,
  RedisUnavailableError,
  TenantUnavailableError,
} from '../errors.ts'
import type { RedisConnection } from '../redis.ts'
import { statusError } from '../router/admission.ts'
import type { AppRouter } from '../router/app-router.ts'
import type { Secret } from '../secret.ts'
import { runAsGeneration } from '../tenant/tenant-context.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import { isDeleted } from '../tenant/tenant-status.ts'
import { JobClaims } from './job-claims.ts'
import { type JobEnvelope, JobSeal } from './job-envelope.ts'
import { tenantScope } from './tenant-scope.ts'

/** Clocks of two machines may differ by so much. */
const CLOCK_MS = 60_000
const YEAR_MS = 366 * 86_400_000

const JobSettings = z.strictObject({
  /** Milliseconds after it was sealed that a job may still begin. */
  maxAgeMs: z.int().positive().max(YEAR_MS).default(86_400_000),
  /** Milliseconds that a job may run; its signal aborts then. */
  maxRunMs: z.int().positive().max(86_400_000).default(600_000),
  /** Characters of JSON. */
  maxPayloadCharacters: z.int().positive().max(1_048_576).default(65_536),
  /** What our keys in Redis begin with. */
  prefix: z
    .string()
    .regex(/^[\w.:-]{1,64}$/)
    .default('tenantry:job'),
})
type JobSettings = z.output<typeof JobSettings>

/** What `createJobs` works with. */
export interface JobsOptions extends z.input<typeof JobSettings> {
  readonly router: AppRouter
  /** At least 32 characters, shared by all who seal and run jobs. */
  readonly key: string | Secret
  /** Keys that sealed jobs which have yet to run. */
  readonly formerKeys?: readonly (string | Secret)[]
  /** Where it is remembered which jobs have run. Without it a job that is presented twice runs twice. */
  readonly redis?: RedisConnection
}

/** Whose a job is. */
export interface SealOptions {
  /** Default: the ambient tenant. */
  readonly tenant?: string
}

/** What a handler is given. */
export interface Job {
  readonly id: string
  readonly name: string
  readonly tenant: TenantId
  /** As it was sealed. Parse it: it may be of an earlier release. */
  readonly payload: unknown
  readonly issuedAt: Date
  /** Leases a connection of the class `batch` for each statement and transaction. */
  readonly sql: Sql
  /** Aborts when the job has run for as long as it may. */
  readonly signal: AbortSignal
}

/**
 * Jobs for any queue: sealed where a request is served, run by a worker as their tenant.
 * @throws {InvalidConfigError} where a key is too short. {z.ZodError} for settings out of their bounds.
 */
export function createJobs(options: JobsOptions): Jobs {
  return new Jobs(options)
}

/** It owns nothing that must be closed. */
export class Jobs {
  readonly #router: AppRouter
  readonly #seal: JobSeal
  readonly #settings: JobSettings
  readonly #claims: JobClaims | undefined

  constructor({ router, key, formerKeys = [], redis, ...rest }: JobsOptions) {
    this.#router = router
    this.#settings = JobSettings.parse(rest)
    this.#seal = new JobSeal([key, ...formerKeys], this.#settings.maxPayloadCharacters)
    this.#claims = redis && new JobClaims(redis, this.#settings.prefix, this.#settings.maxRunMs)
  }

  /** Whether a job that has run is refused when it is presented again: only with Redis. */
  get refusesReplays(): boolean {
    return this.#claims !== undefined
  }

  /**
   * A job of the tenant, to be put into a queue as it is: an object of JSON.
   * @throws as `tenantScope()`; {InvalidRequestError} where the payload is no JSON or too long.
   */
  async seal(name: string, payload: unknown, options: SealOptions = {}): Promise<JobEnvelope> {
    const { id: tenant, generation, epoch } = await tenantScope(this.#router, options.tenant)
    const job = { id: randomUUID(), tenant, generation, epoch, name, issuedAt: Date.now() }
    return this.#seal.seal(this.#router.registry.id, job, payload)
  }

  /**
   * Runs the handler as the job's tenant, if the job is one of ours and may run now.
   * @param envelope what `seal()` gave, as an object or as JSON.
   * @returns what the handler does. Where it throws, the same job may be tried again.
   * @throws {JobRefusedError} for a job that can never run. {JobOutdatedError} where the tenant's route has changed.
   * All else may pass: {JobRunningError | RedisUnavailableError | RegistryUnavailableError | TenantSuspendedError |
   * TenantMovingError | TenantUnavailableError}, and what the handler throws.
   */
  async run<T>(envelope: unknown, handler: (job: Job) => T | Promise<T>): Promise<T> {
    const job = this.#opened(envelope)
    const record = await this.#recordOf(job)
    if (job.epoch < record.epoch)
      throw new JobOutdatedError(
        `job ${job.id} is of epoch ${job.epoch} of ${job.tenant}, not ${record.epoch}`,
      )
    const refusal = statusError(record)
    if (refusal) throw refusal
    const claim = await this.#claims?.take(job.id)
    const { id, name, tenant, payload, issuedAt } = job
    const signal = AbortSignal.timeout(this.#settings.maxRunMs)
    const sql = this.#router.sql(tenant, { class: 'batch', signal })
    const work = { id, name, tenant, payload: JSON.parse(payload), issuedAt: new Date(issuedAt), sql, signal }
    try {
      const result = await runAsGeneration(record, async () => await handler(work))
      await heardOf(claim?.done(issuedAt + this.#settings.maxAgeMs + CLOCK_MS - Date.now()))
      return result
    } catch (error) {
      await heardOf(claim?.giveBack())
      throw error
    }
  }

  /**
   * The same job for the tenant's present route: what to do with one that is outdated, where it still makes sense.
   * Its id stays, so that of the two one runs; its age does, too.
   * @throws as `run`, but not {JobOutdatedError}.
   */
  async renew(envelope: unknown): Promise<JobEnvelope> {
    const job = this.#opened(envelope)
    const { epoch } = await this.#recordOf(job)
    return this.#seal.sealText(this.#router.registry.id, { ...job, epoch })
  }

  #opened(envelope: unknown) {
    const job = this.#seal.open(this.#router.registry.id, envelope)
    const ageMs = Date.now() - job.issuedAt
    if (ageMs > this.#settings.maxAgeMs)
      throw new JobRefusedError('expired', `job ${job.id} was sealed ${ageMs} ms ago`)
    if (ageMs < -CLOCK_MS) throw new JobRefusedError('malformed', `job ${job.id} was sealed in the future`)
    return job
  }

  /** The record of the very tenant the job was sealed for, not older than that. */
  async #recordOf(job: {
    id: string
    tenant: TenantId
    generation: number
    epoch: number
  }): Promise<TenantRecord> {
    const isBehind = (record: TenantRecord | undefined) =>
      record === undefined || record.generation < job.generation || record.epoch < job.epoch
    const { directory } = this.#router
    const held = (await directory.tenant(job.tenant))?.record
    const record = isBehind(held) ? (await directory.refresh(job.tenant))?.record : held
    if (record === undefined || record.generation > job.generation || isDeleted(record))
      throw new JobRefusedError('tenant_gone', `the tenant ${job.tenant} of job ${job.id} is gone`)
    if (isBehind(record))
      throw new TenantUnavailableError(`the registry is behind job ${job.id} of tenant ${job.tenant}`)
    return record
  }
}

/** The job has ended, one way or the other: that Redis did not hear of it changes nothing of that. */
async function heardOf(word: Promise<void> | undefined): Promise<void> {
  try {
    await word
  } catch (error) {
    if (!(error instanceof RedisUnavailableError)) throw error
  }
}

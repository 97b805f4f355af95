import { randomUUID } from 'node:crypto'
import { JobRefusedError, JobRunningError } from '../errors.ts'
import { RedisScript } from '../redis/redis-script.ts'
import type { RedisConnection } from '../redis.ts'

/** Takes a claim that nobody has; says what is there otherwise. */
const CLAIM = new RedisScript(`
if redis.call('set', KEYS[1], ARGV[1], 'nx', 'px', ARGV[2]) then return '' end
return redis.call('get', KEYS[1])
`)

/** Only where it is still one's own: another worker may have it by now. */
const GIVE_BACK = new RedisScript(`
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
`)

const DONE = 'done'

/** Remembers in Redis which jobs run and have run. */
export class JobClaims {
  readonly #redis: RedisConnection
  readonly #prefix: string
  readonly #maxRunMs: number

  /** @param maxRunMs for so long a claim lasts whose worker is not heard of again. */
  constructor(redis: RedisConnection, prefix: string, maxRunMs: number) {
    this.#redis = redis
    this.#prefix = prefix
    this.#maxRunMs = maxRunMs
  }

  /** @throws {JobRefusedError} `replayed`. {JobRunningError | RedisUnavailableError} */
  async take(job: string): Promise<JobClaim> {
    const [key, token] = [`${this.#prefix}:{${job}}`, randomUUID()]
    const present = await this.#redis.run(CLAIM, [key], [token, this.#maxRunMs])
    if (present === DONE) throw new JobRefusedError('replayed', `job ${job} has run`)
    if (present !== '') throw new JobRunningError(`job ${job} is running`)
    return new JobClaim(this.#redis, key, token)
  }
}

export class JobClaim {
  readonly #redis: RedisConnection
  readonly #key: string
  readonly #token: string

  constructor(redis: RedisConnection, key: string, token: string) {
    this.#redis = redis
    this.#key = key
    this.#token = token
  }

  /** It has run, and will not again for `ms`, for which it could be presented again. */
  async done(ms: number): Promise<void> {
    await this.#redis.call('set', this.#key, DONE, 'px', Math.max(1, Math.ceil(ms)))
  }

  /** It has failed, and may be tried again. */
  async giveBack(): Promise<void> {
    await this.#redis.run(GIVE_BACK, [this.#key], [this.#token])
  }
}

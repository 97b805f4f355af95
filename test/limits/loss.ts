import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Limiter } from '../../src/limits/limiter.ts'
import type { Basis } from '../../src/limits/standing.ts'
import { openRedis, type RedisConnection } from '../../src/redis.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { tenantRecord } from '../registry/records.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { limiterOver, rated } from './ground.ts'

export interface Loss {
  /** Milliseconds of each of the three times: before, without Redis, and after. */
  readonly phaseMs: number
  /** Of a call to Redis, ms. */
  readonly deadlineMs: number
  /** So much longer than before 99 of 100 requests wait for their decision, at most. */
  readonly addedP99Ms: number
}

const PROCESSES = 3
/** 20 requests in any second. */
const PER_MINUTE = 1_200
const QUOTA = 20
const HOT_PER_SECOND = 100
const CALM_PER_SECOND = 10

/** What happens to Redis, and how it comes back. */
const LOSSES: Readonly<
  Record<string, readonly [(server: RedisServer) => unknown, (server: RedisServer) => unknown]>
> = {
  'is killed': [(server) => server.kill(), (server) => server.restart()],
  'is stopped': [(server) => server.freeze(), (server) => server.resume()],
  'loses all it holds': [(server) => server.command('flushall'), () => undefined],
  'may only read': [
    (server) => server.command('replicaof', '127.0.0.1', '1'),
    (server) => server.command('replicaof', 'no', 'one'),
  ],
  'is full': [
    (server) => server.command('config', 'set', 'maxmemory', '1'),
    (server) => server.command('config', 'set', 'maxmemory', '0'),
  ],
}

interface Asked {
  readonly at: number
  readonly code: string
  readonly basis: Basis
  readonly tookMs: number
}

/** Several limiters over one Redis, as of so many processes. */
class Processes implements AsyncDisposable {
  readonly #limiters: readonly Limiter[]
  readonly #connections: readonly RedisConnection[]
  readonly #pending = new Set<Promise<void>>()

  constructor(connections: readonly RedisConnection[]) {
    this.#connections = connections
    const options = { plans: rated(PER_MINUTE), replicas: PROCESSES }
    this.#limiters = connections.map((redis) => limiterOver(redis, options))
  }

  static async over({ url }: RedisServer, deadlineMs: number): Promise<Processes> {
    const opened = Array.from({ length: PROCESSES }, () =>
      openRedis(url, { deadlineMs, onFault: () => undefined }),
    )
    return new Processes(await Promise.all(opened))
  }

  /** Asks each in turn, until `isOver`. */
  async ask(record: TenantRecord, perSecond: number, isOver: () => boolean): Promise<Asked[]> {
    const answers: Asked[] = []
    const beganAt = performance.now()
    for (let asked = 0; !isOver(); ) {
      for (const due = ((performance.now() - beganAt) / 1_000) * perSecond; asked < due; asked++) {
        const limiter = this.#limiters[asked % PROCESSES]
        if (limiter !== undefined) this.#begin(limiter, record, answers)
      }
      await delay(2)
    }
    await Promise.all(this.#pending)
    return answers
  }

  #begin(limiter: Limiter, record: TenantRecord, answers: Asked[]): void {
    const began = performance.now()
    const one = limiter.enter(record).then((admission) => {
      const at = performance.now()
      if (admission.isAdmitted) admission.passage[Symbol.dispose]()
      const code = admission.isAdmitted ? 'allowed' : admission.refusal.code
      answers.push({ at, tookMs: at - began, code, basis: admission.standing.basis })
    })
    this.#pending.add(one)
    void one.finally(() => this.#pending.delete(one))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#limiters.map((limiter) => limiter.close()))
    await Promise.all(this.#connections.map((redis) => redis.close()))
  }
}

export function describeLoss({ phaseMs, deadlineMs, addedP99Ms }: Loss): void {
  it.concurrent.each(Object.entries(LOSSES))(
    'lets one quota more in, once for each change, where Redis %s, and keeps nobody else out',
    async (_, [lose, find]) => {
      await using server = await startRedis()
      await using processes = await Processes.over(server, deadlineMs)
      let isOver = false
      const hot = processes.ask(tenantRecord('hot'), HOT_PER_SECOND, () => isOver)
      const calm = processes.ask(tenantRecord('calm'), CALM_PER_SECOND, () => isOver)
      const changes: number[] = []
      for (const change of [lose, find]) {
        await delay(phaseMs)
        changes.push(performance.now())
        await change(server)
        changes.push(performance.now())
      }
      await delay(phaseMs)
      isOver = true
      const [asked, others] = [await hot, await calm]
      expect(others.filter(({ code }) => code !== 'allowed')).toEqual([])
      expect(others.length).toBeGreaterThan(0)
      expect(excess(asked, changes)).toEqual([])
      expect(new Set(asked.map(({ code }) => code))).toEqual(new Set(['allowed', 'rate_limited']))
      const all = [...asked, ...others]
      const before = all.filter(({ at }) => at < (changes[0] ?? 0))
      expect(p99(all.filter((one) => !before.includes(one))) - p99(before)).toBeLessThanOrEqual(addedP99Ms)
    },
    60_000,
  )
}

/**
 * Windows that hold more than they may: the quota, and once more where something happened to Redis, or some were counted
 * there and some not, within it or the one before. A request was counted at some time while it waited: it is in those
 * windows that hold all of that.
 */
function excess(asked: readonly Asked[], changes: readonly number[]): string[] {
  const admitted = asked.filter(({ code }) => code === 'allowed')
  return admitted.flatMap(({ at }) => {
    const last = (ms: number) => admitted.filter((one) => one.at - one.tookMs > at - ms && one.at <= at)
    const isChanged =
      changes.some((change) => change > at - 2_000 && change <= at) ||
      new Set(last(2_000).map(({ basis }) => basis)).size > 1
    const most = isChanged ? 2 * QUOTA : QUOTA
    const count = last(1_000).length
    return count > most ? [`${count} of ${most} until ${Math.round(at - (changes[0] ?? 0))} ms after`] : []
  })
}

function p99(asked: readonly Asked[]): number {
  const times = asked.map(({ tookMs }) => tookMs)
  return times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? 0
}

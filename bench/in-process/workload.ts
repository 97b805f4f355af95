import { setTimeout as delay } from 'node:timers/promises'
import { TenantPicker } from '../../src/load/tenant-picker.ts'
import type { InProcessClient } from './client.ts'
import type { InProcessJob } from './job.ts'

/** Milliseconds of right answers, and what must not happen. */
export interface Tally {
  readonly times: number[]
  errors: number
  wrong: number
  maxConnections: number
}

/** First calls compile code and fill caches. */
const COLD_WARMUPS = 6
/** For the server to be done with what was closed. */
const COLD_PAUSE_MS = 5

/** Runs the job's workload on a client; one half of it is the warm-up, the other is measured. */
export class Workload {
  readonly #client: InProcessClient
  readonly #job: InProcessJob
  readonly #picker: TenantPicker

  constructor(client: InProcessClient, job: InProcessJob) {
    this.#client = client
    this.#job = job
    const isZipf = job.workload.kind === 'rows' && job.workload.pick === 'zipf'
    this.#picker = new TenantPicker(job.tenants.length, isZipf ? 1 : 0, job.seed)
  }

  warmUp(): Promise<Tally> {
    const { workload, warmupSeconds } = this.#job
    return workload.kind === 'cold' ? this.#cold(COLD_WARMUPS) : this.#loop(warmupSeconds)
  }

  measure(): Promise<Tally> {
    const { workload, seconds } = this.#job
    return workload.kind === 'cold' ? this.#cold(workload.repeats) : this.#loop(seconds)
  }

  async #loop(seconds: number): Promise<Tally> {
    const { workload } = this.#job
    const tally = newTally()
    if (workload.kind === 'cold') return tally
    const deadline = performance.now() + seconds * 1000
    const isOwn = workload.kind === 'rows' && workload.pick === 'own'
    const work = async (worker: number) => {
      const next = isOwn ? () => worker % this.#job.tenants.length : () => this.#picker.next()
      while (performance.now() < deadline) await this.#ask(next(), tally)
    }
    const sampler = setInterval(() => this.#count(tally), 50)
    await Promise.all(Array.from({ length: workload.workers }, (_, worker) => work(worker)))
    clearInterval(sampler)
    this.#count(tally)
    return tally
  }

  async #cold(repeats: number): Promise<Tally> {
    const tally = newTally()
    for (let i = 0; i < repeats; i++) {
      const tenant = this.#picker.next()
      await this.#client.cool(tenant)
      await delay(COLD_PAUSE_MS)
      await this.#ask(tenant, tally)
      this.#count(tally)
      await this.#client.cool(tenant)
    }
    return tally
  }

  async #ask(tenant: number, tally: Tally): Promise<void> {
    const { workload } = this.#job
    const started = performance.now()
    try {
      if (workload.kind === 'sleep') await this.#client.sleep(tenant, workload.ms / 1000)
      else if (!this.#isRight(await this.#client.rows(tenant, workload.rows), tenant, workload.rows)) {
        tally.wrong++
        return
      }
      tally.times.push(performance.now() - started)
    } catch {
      tally.errors++
      await delay(1)
    }
  }

  #isRight(rows: readonly unknown[], tenant: number, count: number): boolean {
    const { database } = this.#job.tenants[tenant] ?? {}
    return rows.length === count && rows.every((row) => field(row, 'database') === database)
  }

  #count(tally: Tally): void {
    tally.maxConnections = Math.max(tally.maxConnections, this.#client.connections())
  }
}

function newTally(): Tally {
  return { times: [], errors: 0, wrong: 0, maxConnections: 0 }
}

function field(row: unknown, name: string): unknown {
  return typeof row === 'object' && row !== null ? Reflect.get(row, name) : undefined
}

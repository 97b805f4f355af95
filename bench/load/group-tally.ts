import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Group, GroupReport } from './load-job.ts'

/** What one group met. */
export class GroupTally {
  readonly #name: string
  readonly #asked: number[]
  /** Microseconds. */
  readonly #latency: RecordableHistogram = createHistogram()
  readonly #errors = new Map<string, number>()
  #wrong = 0

  constructor({ name, tenants }: Group) {
    this.#name = name
    this.#asked = tenants.map(() => 0)
  }

  ask(index: number): void {
    this.#asked[index] = (this.#asked[index] ?? 0) + 1
  }

  right(ms: number): void {
    this.#latency.record(Math.max(1, Math.round(ms * 1000)))
  }

  failed(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  wrong(): void {
    this.#wrong++
  }

  report(seconds: number): GroupReport {
    const answers = this.#latency.count
    const ms = (percentile: number) => (answers === 0 ? 0 : this.#latency.percentile(percentile) / 1000)
    return {
      name: this.#name,
      answers,
      requestsPerSecond: answers / seconds,
      p50: ms(50),
      p99: ms(99),
      max: answers === 0 ? 0 : this.#latency.max / 1000,
      errors: Object.fromEntries(this.#errors),
      wrong: this.#wrong,
      asked: this.#asked,
    }
  }
}

import { vi } from 'vitest'
import { CancelledError, RegistryUnavailableError } from '../../src/errors.ts'
import { Directory } from '../../src/registry/directory.ts'
import type { Entry } from '../../src/registry/registry.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { ControlledRegistry } from './controlled-registry.ts'
import type { ModelClock } from './model-clock.ts'
import { server, tenant } from './records.ts'

export const STALE_MAX_MS = 3_600_000
const acme = parseTenantId('acme')
const ghost = parseTenantId('ghost')

type Answer = Entry<'tenant'> | undefined | 'unavailable' | 'aborted'

/**
 * A directory, what the registry under it really holds of `acme`, and what must therefore hold for each answer.
 * `ghost` is a tenant that never was; another tenant and a server stay as they are.
 */
export class DirectoryModel {
  readonly registry = new ControlledRegistry()
  readonly faults: unknown[] = []
  readonly #clock: ModelClock
  readonly #directory: Directory
  readonly #lookups: Promise<void>[] = []
  /** Look-ups under way that may be aborted. */
  readonly #abortable = new Set<AbortController>()
  readonly #broken: string[] = []
  #generation = 1
  #truth: TenantRecord['status'] | 'removed' = 'active'
  /** Of the truth; times do not tell it from what was before, in a clock that stands. */
  #revision = 0
  /** When the truth became that (`performance.now()`), and since when the registry says all of it to everyone. */
  #changedAt = 0
  #soundSince: number | undefined
  /** Since when no answer can come from the registry. */
  #darkSince: number | undefined
  /** When an active `acme` was last answered, and nothing but active since. */
  #activeAt: number | undefined
  #last: Entry<'tenant'> | undefined
  #release: () => void = () => {}
  #isHolding = false
  #isMuted = false
  #isClosed = false
  #isLagging = false

  constructor(clock: ModelClock) {
    this.#clock = clock
    for (const put of [server('main'), tenant('globex'), tenant('acme')]) this.registry.put(put)
    // Absences for a moment only: one from a registry that lags cannot be told from the truth.
    // As backends must: without it nothing tells a first answer that is out of date from the truth.
    this.registry.isLagSaid = true
    const options = { staleMaxMs: STALE_MAX_MS, patienceMs: 100, readTimeoutMs: 500, absenceMs: 500 }
    this.#directory = new Directory(this.registry, options, (fault) => this.faults.push(fault))
  }

  /** Everything is held once. */
  async begin(): Promise<void> {
    const directory = this.#directory
    await this.#clock.while(this.registry.heard())
    await this.#clock.while(
      Promise.all([directory.server('main'), directory.tenant(parseTenantId('globex'))]),
    )
    this.#soundSince = performance.now()
  }

  put(status: TenantRecord['status']): void {
    if (this.#truth === 'removed') this.#generation++
    this.#revision = this.registry.put(tenant('acme', { status, generation: this.#generation }))
    this.#change(status)
  }

  remove(): void {
    if (this.#truth === 'removed') return
    this.registry.remove('tenant', 'acme')
    this.#change('removed')
  }

  mode(mode: ControlledRegistry['mode']): void {
    this.registry.mode = mode
    this.#judgeSoundness()
  }

  lie(lie: ControlledRegistry['lie']): void {
    this.registry.lie = lie
    this.#judgeSoundness()
  }

  lag(changes: number): void {
    this.registry.lag(changes)
    this.#isLagging = true
    this.#judgeSoundness()
  }

  catchUp(): void {
    this.registry.catchUp()
    this.#isLagging = false
    this.#judgeSoundness()
  }

  mute(): void {
    this.registry.mute()
    this.#isMuted = true
    this.#judgeSoundness()
  }

  unmute(): void {
    this.registry.unmute()
    this.#isMuted = false
    this.#judgeSoundness()
  }

  hold(): void {
    this.#release()
    this.#release = this.registry.holdAnswers()
    this.#isHolding = true
    this.#judgeSoundness()
  }

  release(): void {
    this.#release()
    this.#isHolding = false
    this.#judgeSoundness()
  }

  pass(ms: number): Promise<void> {
    return this.#clock.advance(ms)
  }

  lookUp(): void {
    const began = performance.now()
    const soundSince = this.#soundSince
    this.#follow(
      this.#ask(acme).then((answer) => {
        if (this.#isClosed && answer === 'unavailable') return
        this.#expectOrdered(answer)
        this.#expectCurrent(answer, began, soundSince)
        this.#expectServed(answer)
        this.#remember(answer)
      }),
    )
  }

  /** As `lookUp`, with a caller that may lose its patience. */
  lookUpImpatiently(): void {
    const aborter = new AbortController()
    const lookup = this.#ask(acme, aborter.signal).then((answer) => {
      this.#abortable.delete(aborter)
      if (!aborter.signal.aborted) this.#expectOrdered(answer)
      this.#claim(answer !== 'aborted' || aborter.signal.aborted, 'nobody’s abort ends the wait of another')
    })
    this.#abortable.add(aborter)
    this.#follow(lookup)
  }

  /** The callers that may leave: all do, and wait no longer; everyone else waits on. */
  async abort(): Promise<void> {
    for (const aborter of this.#abortable) aborter.abort()
    await this.pass(0)
    this.#claim(this.#abortable.size === 0, 'who aborts waits no longer')
  }

  lookUpGhost(): void {
    const darkSince = this.#darkSince
    const isDark = darkSince !== undefined && performance.now() - darkSince > 6_000
    this.#follow(
      this.#ask(ghost).then((answer) => {
        // Longer than any absence is held for.
        if (isDark && this.#darkSince === darkSince)
          this.#claim(answer === 'unavailable', 'the unknown are unavailable in an outage')
      }),
    )
  }

  /** Everything is put right, then closed. Resolves the promises that were broken on the way. */
  async end(): Promise<readonly string[]> {
    this.release()
    this.catchUp()
    this.lie('none')
    this.mode('up')
    this.unmute()
    await this.pass(5_000)
    const answer = await this.#clock.while(this.#ask(acme))
    this.#claim(this.#isTrue(answer), 'the answer converges to the truth within five seconds')
    this.registry.mode = 'hanging'
    this.registry.put(tenant('acme'))
    this.lookUp()
    return this.close()
  }

  /** Closed as it is, in the middle of all. Resolves the promises that were broken on the way. */
  async close(): Promise<readonly string[]> {
    const began = performance.now()
    this.#isClosed = true
    const closing = this.#directory.close()
    this.#claim((await this.#ask(acme)) === 'unavailable', 'nothing is answered after close')
    await this.#clock.while(Promise.all([closing, ...this.#lookups]))
    this.#claim(performance.now() - began <= 10, 'close ends every look-up at once')
    this.#claim(this.registry.overlap === 1, 'one read of a name at a time')
    this.#claim(vi.getTimerCount() === 0, 'nothing is left after close')
    return this.#broken
  }

  #follow(lookup: Promise<void>): void {
    lookup.catch(() => {}) // `end()` waits for it
    this.#lookups.push(lookup)
  }

  #claim(holds: boolean, promise: string): void {
    if (!holds) this.#broken.push(promise)
  }

  #isTrue(answer: Answer): boolean {
    const status = answer instanceof Object ? answer.record.status : answer
    return status === (this.#truth === 'removed' ? undefined : this.#truth)
  }

  async #ask(id: typeof acme, signal?: AbortSignal): Promise<Answer> {
    try {
      return await this.#directory.tenant(id, signal)
    } catch (error) {
      if (error instanceof CancelledError) return 'aborted'
      if (error instanceof RegistryUnavailableError) return 'unavailable'
      throw error
    }
  }

  /** Never back to an older generation, nor within one to an older revision. */
  #expectOrdered(answer: Answer): void {
    if (!(answer instanceof Object)) return
    const before = this.#last
    const rank = ({ revision, record }: Entry<'tenant'>) => record.generation * 1e6 + revision
    this.#claim(before === undefined || rank(answer) >= rank(before), 'no answer goes back')
    this.#last = answer
  }

  /** What changed over two seconds before it was asked, with all in order since, is not answered with what was before. */
  #expectCurrent(answer: Answer, began: number, soundSince: number | undefined): void {
    if (soundSince === undefined || soundSince !== this.#soundSince) return
    if (began - Math.max(this.#changedAt, soundSince) < 2_000) return
    this.#claim(this.#isTrue(answer), 'what changed over two seconds ago is known')
  }

  /** A known, active tenant of which nothing was changed is served, whatever the registry does. */
  #expectServed(answer: Answer): void {
    const activeAt = this.#activeAt
    if (activeAt === undefined || this.#truth !== 'active' || this.#changedAt > activeAt) return
    if (performance.now() - activeAt > STALE_MAX_MS) return
    this.#claim(this.#isTrue(answer), 'a known, active tenant is served')
  }

  #remember(answer: Answer): void {
    const isActive =
      answer instanceof Object && answer.record.status === 'active' && answer.revision >= this.#revision
    if (!isActive) this.#activeAt = undefined
    // What is served of an outage is no newer for being served.
    else if (this.#darkSince === undefined && this.#soundSince !== undefined)
      this.#activeAt = performance.now()
  }

  #change(truth: TenantRecord['status'] | 'removed'): void {
    this.#truth = truth
    this.#changedAt = performance.now()
  }

  #judgeSoundness(): void {
    const { mode, lie } = this.registry
    const isAnswering = mode === 'up' && lie === 'none' && !this.#isHolding
    const isSound = isAnswering && !this.#isMuted && !this.#isLagging
    if (!isSound) this.#soundSince = undefined
    else this.#soundSince ??= performance.now()
    if (mode === 'up') this.#darkSince = undefined
    else this.#darkSince ??= performance.now()
  }
}

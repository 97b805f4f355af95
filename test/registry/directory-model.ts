import { vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
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

type Answer = Entry<'tenant'> | undefined | 'unavailable'

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
  readonly #broken: string[] = []
  #generation = 1
  #truth: TenantRecord['status'] | 'removed' = 'active'
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
    this.registry.put(tenant('acme', { status, generation: this.#generation }))
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
        this.#expectOrdered(answer)
        this.#expectCurrent(answer, began, soundSince)
        this.#expectServed(answer)
        this.#remember(answer)
      }),
    )
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
    await this.#directory.close()
    await this.#clock.while(Promise.all(this.#lookups))
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

  async #ask(id: typeof acme): Promise<Answer> {
    try {
      return await this.#directory.tenant(id)
    } catch (error) {
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
    const isActive = answer instanceof Object && answer.record.status === 'active'
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

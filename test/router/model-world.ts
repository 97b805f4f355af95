import assert from 'node:assert/strict'
import { vi } from 'vitest'
import { LeaseExpiredError, TenantSuspendedError } from '../../src/errors.ts'
import { Breakers } from '../../src/router/breaker/breakers.ts'
import { EventHub } from '../../src/router/events.ts'
import { RouterOptions } from '../../src/router/options.ts'
import type { Slot } from '../../src/router/pool/slot.ts'
import type { TenantPool } from '../../src/router/pool/tenant-pool.ts'
import { Scheduler } from '../../src/router/scheduling/scheduler.ts'
import { serverRecord, tenantRecord } from '../registry/records.ts'
import { checkBatch, checkWorld, connectionOf } from './model-checks.ts'
import { PassCount } from './model-passes.ts'
import { type Ask, ModelRequest } from './model-request.ts'
import { ModelServers } from './model-server.ts'

export type { Ask } from './model-request.ts'

export const TENANTS = [
  'acme',
  'globex',
  'initech',
  'hooli',
  'umbrella',
  'stark',
  'wayne',
  'loki',
  'pym',
] as const
export const LIMITS = { process: 5, server: 3, tenant: 3, maxOpening: 3, maxOpeningPerServer: 2 }
export type ModelLimits = typeof LIMITS

/** What is out is cut so long after the close began. */
const CUT_AFTER_MS = 1_000

/** A scheduler between callers and servers that do as they are told, in a time that stands until it is moved. */
export class ModelWorld {
  readonly servers = new ModelServers()
  readonly requests: ModelRequest[] = []
  readonly scheduler: Scheduler
  readonly limits: ModelLimits
  readonly passes: PassCount
  /** Leases given. */
  granted = 0
  /** From the close on, no permit is kept for what may live on; a second later, leases are taken away. */
  phase: 'open' | 'closing' | 'cut' = 'open'
  /** What did not hold in the middle of a turn. */
  #broken: unknown
  readonly #tenants = new Map<string, { epoch: number; weight: number; revision: number }>()

  /** @param overrides of what the model's router is set to. */
  constructor(overrides: RouterOptions = {}, limits = LIMITS) {
    const events = new EventHub()
    const options = RouterOptions.parse({
      maxConnections: limits.process,
      maxConnectionsPerTenant: limits.tenant,
      acquireTimeoutMs: 3_600_000,
      maxOpeningPerServer: limits.maxOpeningPerServer,
      maxOpening: limits.maxOpening,
      ...overrides,
    })
    const { open, confirmGone } = this.servers
    const breakers = new Breakers(events)
    this.limits = limits
    this.scheduler = new Scheduler(options, open, confirmGone, breakers, events)
    this.passes = new PassCount(this.scheduler, breakers, limits)
    this.servers.onOpening = (tenant) => {
      const pool = this.scheduler.current(tenantRecord(tenant).id)
      if (pool) this.#watch(() => this.passes.opening(pool))
    }
    events.on('openFailed', ({ server, code }) => {
      if (code === 'server_unavailable') this.passes.noteServerFull(server)
    })
  }

  get leased(): readonly ModelRequest[] {
    return this.#those('leased')
  }

  readonly serverOf = (tenant: string): string =>
    TENANTS.findIndex((id) => id === tenant) % 2 === 0 ? 'even' : 'odd'

  poolOf(tenant: string): TenantPool {
    const { epoch, weight, revision } = this.#tenant(tenant)
    const server = serverRecord(this.serverOf(tenant), {
      budget: { maxConnections: this.limits.server, headroom: 1 },
    })
    const record = tenantRecord(tenant, { epoch, limits: { weight } })
    return this.scheduler.poolOf(record, revision, server)
  }

  /** @param outer who asks, where that one holds a lease or waits for one. */
  ask(ask: Ask, timeoutMs = 3_600_000, outer?: ModelRequest): ModelRequest {
    const pool = this.poolOf(ask.tenant)
    const began = () => this.#watch(() => this.#began(request))
    const request = new ModelRequest(ask, this.requests.length, began, outer)
    this.requests.push(request)
    const refused = () => {
      request.state = 'ended'
    }
    const granted = (slot: Slot) => this.#watch(() => this.#granted(request, slot))
    try {
      if (ask.onlyIfWarm && !pool.hasOpen(ask.trust)) {
        this.#forget(pool, request)
        return request
      }
      const { signal } = request.aborter
      const slot = this.scheduler.acquire(pool, { ...ask, timeoutMs, signal, context: request })
      if (slot instanceof Promise) slot.then(granted, refused)
      else granted(slot)
    } catch {
      refused()
    }
    return request
  }

  /** One of those who hold leases asks for a further one. */
  askWithin(at: number, ask: Ask): void {
    const outer = this.#nth('leased', at)
    if (outer) this.ask(ask, undefined, outer)
  }

  /** Whether the tenant has a lease now. */
  holds(tenant: string): boolean {
    return this.leased.some(({ ask }) => ask.tenant === tenant)
  }

  isAsking(tenant: string): boolean {
    return this.#those('waiting').some(({ ask }) => ask.tenant === tenant)
  }

  releaseOf(tenant: string): void {
    const at = this.leased.findIndex(({ ask }) => ask.tenant === tenant)
    if (at >= 0) this.release(at)
  }

  release(at: number): void {
    const slot = this.#nth('leased', at)?.slot
    if (slot) this.scheduler.giveBack(slot, undefined)
  }

  /** Past its deadline, a connection is taken away; now and then it cannot be cleaned. */
  expire(at: number, isStuck: boolean): void {
    const slot = this.#nth('leased', at)?.slot
    if (!slot) return
    const connection = connectionOf(slot)
    connection.isUncleanable = isStuck
    connection.isBusy = isStuck
    void this.scheduler.expire(slot, undefined, 'expired', new LeaseExpiredError('its time is over'))
  }

  abort(at: number): void {
    this.#nth('waiting', at)?.aborter.abort()
  }

  rotate(tenant: string, change: 'epoch' | 'weight'): void {
    const known = this.#tenant(tenant)
    const next = {
      epoch: known.epoch + (change === 'epoch' ? 1 : 0),
      weight: change === 'weight' ? (known.weight % 3) + 1 : known.weight,
      revision: known.revision + 1,
    }
    this.#tenants.set(tenant, next)
    if (this.scheduler.current(tenantRecord(tenant).id)) this.#follow(tenant)
  }

  evict(tenant: string): void {
    const pool = this.scheduler.current(tenantRecord(tenant).id)
    if (pool) this.scheduler.evict(pool, 'operator')
  }

  /** The tenant is not served any more, from now until somebody asks again: nobody of it waits or holds a lease. */
  cut(tenant: string, reason: 'suspended' | 'fenced'): void {
    this.scheduler.cut(tenantRecord(tenant).id, reason, new TenantSuspendedError('it is not served'))
    assert.ok(!this.holds(tenant), 'a lease outlives its tenant')
    assert.equal(this.scheduler.current(tenantRecord(tenant).id)?.waiters.length ?? 0, 0)
  }

  /** Lets all that can happen without anyone's help happen. */
  async settle(ms = 0): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
  }

  /** Whoever waits is refused at once; some give their leases back, the others lose them. */
  async close(): Promise<void> {
    let isClosed = false
    this.phase = 'closing'
    const closed = this.scheduler.close(CUT_AFTER_MS).then(() => {
      isClosed = true
    })
    await this.settle()
    assert.equal(this.#those('waiting').length, 0, 'callers wait for a router that has closed')
    const late = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false } as const
    assert.equal(this.ask(late).state, 'ended')
    for (let ms = 0; ms < 2 * CUT_AFTER_MS; ms += 100) {
      if (ms % 400 === 0) this.release(ms)
      if (ms % 200 === 0) this.servers.finishOpening(0)
      if (ms + 100 >= CUT_AFTER_MS) this.phase = 'cut'
      if (ms > CUT_AFTER_MS) this.servers.finishClosing(0)
      this.servers.finishClosing(ms)
      await this.settle(100)
      this.check()
      if (isClosed) break
    }
    assert.ok(isClosed, 'the close does not end')
    await closed
  }

  /** Every leased one is given back, every opening and closing ends well: whoever waits is served. */
  async finish(): Promise<void> {
    for (let i = 0; i < 400 && this.#those('waiting').length + this.leased.length > 0; i++) {
      this.servers.finishOpening(0)
      this.servers.finishClosing(0)
      this.servers.orphans.clear()
      this.release(0)
      await this.settle(i % 4 === 0 ? 300 : 1)
      this.check()
    }
    assert.equal(this.#those('waiting').length, 0, 'callers wait for ever')
  }

  check(): void {
    if (this.#broken) throw this.#broken
    checkWorld(this)
  }

  /** Nothing is left, of connections, pools, callers and timers. */
  checkEnded(): void {
    assert.equal(this.servers.count(), 0)
    assert.equal(this.scheduler.budget.out('process'), 0)
    assert.equal(this.scheduler.pools.size, 0)
    assert.equal(this.scheduler.waiters, 0)
    assert.deepEqual([...this.#those('waiting'), ...this.leased], [], 'callers wait for ever')
    assert.ok(this.requests.every(({ holdsLease, isBlocked }) => !holdsLease && !isBlocked))
    assert.equal(vi.getTimerCount(), 0)
  }

  /** Inside the scheduler, which would take what is thrown for a failure of its own: `check` throws it. */
  #watch(look: () => void): void {
    try {
      look()
    } catch (error) {
      this.#broken ??= error
    }
  }

  /**
   * In the turn of the grant. Within a tenant, those who ask for the same are served in the order in which they
   * came, those who hold leases already first.
   */
  #began(request: ModelRequest): void {
    const before = this.#those('waiting').filter(
      (other) =>
        other.isAlike(request) &&
        !other.aborter.signal.aborted &&
        (other.isNested === request.isNested ? other.order < request.order : other.isNested),
    )
    assert.deepEqual(before, [])
    checkBatch(this)
    this.passes.granted(request)
    this.granted++
  }

  #granted(request: ModelRequest, slot: Slot): void {
    if (request.state !== 'leased') return
    assert.deepEqual([slot.state, slot.trust], ['leased', request.ask.trust])
    request.slot = slot
    // Ended between the grant and this turn: the router makes no lease of it.
    if (slot.pool.cutBy) return this.scheduler.giveBack(slot, undefined)
    slot.revoke = (reason, error) => void this.scheduler.expire(slot, undefined, reason, error)
  }

  #forget(pool: TenantPool, request: ModelRequest): void {
    request.state = 'ended'
    // As the router does for a lease that it refuses.
    this.scheduler.follow(pool.record, pool.revision, pool.server)
  }

  #follow(tenant: string): void {
    const pool = this.poolOf(tenant)
    this.scheduler.follow(pool.record, pool.revision, pool.server)
  }

  #tenant(id: string) {
    return this.#tenants.get(id) ?? { epoch: 1, weight: 1, revision: 1 }
  }

  #nth(state: ModelRequest['state'], at: number): ModelRequest | undefined {
    const some = this.#those(state)
    return some[at % (some.length || 1)]
  }

  #those(state: ModelRequest['state']): ModelRequest[] {
    return this.requests.filter((request) => request.state === state)
  }
}

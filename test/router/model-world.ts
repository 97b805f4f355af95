import assert from 'node:assert/strict'
import { vi } from 'vitest'
import type { Trust } from '../../src/connection/connection.ts'
import { LeaseExpiredError } from '../../src/errors.ts'
import { Breakers } from '../../src/router/breaker/breakers.ts'
import { EventHub } from '../../src/router/events.ts'
import { RouterOptions } from '../../src/router/options.ts'
import type { Slot } from '../../src/router/pool/slot.ts'
import type { TenantPool } from '../../src/router/pool/tenant-pool.ts'
import { Scheduler } from '../../src/router/scheduling/scheduler.ts'
import { serverRecord, tenantRecord } from '../registry/records.ts'
import type { ModelConnection } from './model-connection.ts'
import { ModelServers } from './model-server.ts'

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
export const LIMITS = { process: 5, server: 3, tenant: 3 }

export interface Ask {
  readonly tenant: string
  readonly trust: Trust
  readonly class: 'interactive' | 'batch'
  readonly onlyIfWarm: boolean
}

interface Request extends Ask {
  readonly order: number
  readonly aborter: AbortController
  state: 'waiting' | 'leased' | 'ended'
  slot: Slot | undefined
}

/** A scheduler between callers and servers that do as they are told, in a time that stands until it is moved. */
export class ModelWorld {
  readonly servers = new ModelServers()
  readonly requests: Request[] = []
  readonly scheduler: Scheduler
  /** Leases given. */
  granted = 0
  readonly #tenants = new Map<string, { epoch: number; weight: number; revision: number }>()
  #isClosed = false

  /** @param overrides of what the model's router is set to. */
  constructor(overrides: RouterOptions = {}) {
    const events = new EventHub()
    const options = RouterOptions.parse({
      maxConnections: LIMITS.process,
      maxConnectionsPerTenant: LIMITS.tenant,
      acquireTimeoutMs: 3_600_000,
      maxOpeningPerServer: 2,
      maxOpening: 3,
      ...overrides,
    })
    const { open, confirmGone } = this.servers
    this.scheduler = new Scheduler(options, open, confirmGone, new Breakers(events), events)
  }

  poolOf(tenant: string): TenantPool {
    const { epoch, weight, revision } = this.#tenant(tenant)
    const server = serverRecord(TENANTS.findIndex((id) => id === tenant) % 2 === 0 ? 'even' : 'odd', {
      budget: { maxConnections: LIMITS.server, headroom: 1 },
    })
    const record = tenantRecord(tenant, { epoch, limits: { weight } })
    return this.scheduler.poolOf(record, revision, server)
  }

  ask(ask: Ask, timeoutMs = 3_600_000): void {
    const pool = this.poolOf(ask.tenant)
    const aborter = new AbortController()
    const request: Request = {
      ...ask,
      order: this.requests.length,
      aborter,
      state: 'waiting',
      slot: undefined,
    }
    this.requests.push(request)
    const granted = (slot: Slot) => this.#granted(request, slot)
    const refused = () => {
      request.state = 'ended'
    }
    try {
      const { trust, class: leaseClass, onlyIfWarm } = ask
      if (onlyIfWarm && !pool.hasOpen(trust)) return this.#forget(pool, request)
      const slot = this.scheduler.acquire(pool, {
        trust,
        class: leaseClass,
        onlyIfWarm,
        timeoutMs,
        signal: aborter.signal,
        context: undefined,
      })
      if (slot instanceof Promise) slot.then(granted, refused)
      else granted(slot)
    } catch {
      refused()
    }
  }

  /** Whether the tenant has a lease now. */
  holds(tenant: string): boolean {
    return this.requests.some((request) => request.state === 'leased' && request.tenant === tenant)
  }

  isAsking(tenant: string): boolean {
    return this.requests.some(({ state, tenant: of }) => state === 'waiting' && of === tenant)
  }

  releaseOf(tenant: string): void {
    const leased = this.requests.filter(({ state }) => state === 'leased')
    this.release(leased.findIndex((request) => request.tenant === tenant))
  }

  release(at: number): void {
    const request = this.#nth('leased', at)
    if (!request?.slot) return
    request.state = 'ended'
    this.scheduler.giveBack(request.slot, undefined)
  }

  /** Past its deadline, a connection is taken away; now and then it cannot be cleaned. */
  expire(at: number, isStuck: boolean): void {
    const request = this.#nth('leased', at)
    if (!request?.slot) return
    request.state = 'ended'
    const connection = connectionOf(request.slot)
    connection.isUncleanable = isStuck
    connection.isBusy = isStuck
    void this.scheduler.expire(request.slot, undefined, 'expired', new LeaseExpiredError('its time is over'))
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

  /** Lets all that can happen without anyone's help happen. */
  async settle(ms = 0): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const closed = this.scheduler.close(1_000)
    for (let i = 0; i < 40; i++) {
      for (const { connection } of this.servers.backends) if (connection.isClosing) connection.finishClosing()
      this.release(0)
      await this.settle(50)
    }
    await closed
  }

  /** Every leased one is given back, every opening and closing ends well: whoever waits is served. */
  async finish(): Promise<void> {
    for (let i = 0; i < 400 && this.#count('waiting') + this.#count('leased') > 0; i++) {
      this.servers.finishOpening(0)
      this.servers.finishClosing(0)
      this.servers.orphans.clear()
      this.release(0)
      await this.settle(i % 4 === 0 ? 300 : 1)
      this.check()
    }
    assert.equal(this.#count('waiting'), 0, 'callers wait for ever')
  }

  /** What holds after every step. */
  check(): void {
    const pools = [...this.scheduler.pools]
    const slots = pools.flatMap((pool) => [...pool.slots])
    assert.equal(this.scheduler.budget.out('process'), slots.length)
    assert.ok(slots.length <= LIMITS.process)
    assert.ok(this.servers.count() + this.servers.orphans.size <= slots.length)
    for (const server of ['even', 'odd']) {
      const out = this.scheduler.budget.out('server', server)
      assert.equal(out, slots.filter(({ pool }) => pool.server.id === server).length)
      assert.ok(out <= LIMITS.server)
      assert.ok(this.servers.count(server) <= out)
    }
    for (const pool of pools) checkPool(pool)
    for (const { state, slot } of this.requests) {
      if (state !== 'leased' || !slot || this.#isClosed) continue
      assert.equal(connectionOf(slot).endedByUs, undefined, 'a leased connection was closed')
    }
  }

  /** Nothing is left, of connections, pools, callers and timers. */
  checkEnded(): void {
    assert.equal(this.servers.count(), 0)
    assert.equal(this.scheduler.budget.out('process'), 0)
    assert.equal(this.scheduler.pools.size, 0)
    assert.equal(this.scheduler.waiters, 0)
    assert.equal(this.#count('waiting'), 0, 'callers wait for ever')
    assert.equal(vi.getTimerCount(), 0)
  }

  /** Within a tenant, those who ask for the same are served in the order in which they came. */
  #granted(request: Request, slot: Slot): void {
    const before = this.requests.filter(
      (other) =>
        other.state === 'waiting' &&
        other.order < request.order &&
        !other.aborter.signal.aborted &&
        other.tenant === request.tenant &&
        other.trust === request.trust &&
        other.class === request.class,
    )
    assert.deepEqual(before, [])
    assert.deepEqual([slot.state, slot.trust], ['leased', request.trust])
    this.granted++
    request.state = 'leased'
    request.slot = slot
    slot.lost = () => {
      request.state = 'ended'
    }
    slot.revoke = (reason, error) => {
      request.state = 'ended'
      void this.scheduler.expire(slot, undefined, reason, error)
    }
  }

  #forget(pool: TenantPool, request: Request): void {
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

  #nth(state: Request['state'], at: number): Request | undefined {
    const some = this.requests.filter((request) => request.state === state)
    return some[at % (some.length || 1)]
  }

  #count(state: Request['state']): number {
    return this.requests.filter((request) => request.state === state).length
  }
}

function connectionOf(slot: Slot): ModelConnection {
  // The world's scheduler opens no other.
  return slot.connection as ModelConnection
}

function checkPool(pool: TenantPool): void {
  const slots = [...pool.slots]
  for (const state of ['opening', 'idle', 'leased', 'cleaning', 'closing', 'quarantined'] as const) {
    assert.equal(pool.census.of(state), slots.filter((slot) => slot.state === state).length)
  }
  assert.deepEqual(new Set(pool.idleSlots), new Set(slots.filter(({ state }) => state === 'idle')))
  for (const { request } of pool.waiters) {
    if (request.class === 'batch') continue
    const fits = pool.idleSlots.filter(
      ({ trust, connection }) => trust === request.trust && connection.isOpen,
    )
    assert.deepEqual(fits, [], 'a caller waits though an idle connection fits')
  }
}

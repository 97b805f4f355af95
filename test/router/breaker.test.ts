import { describe, expect, it } from 'vitest'
import {
  CircuitOpenError,
  LoginFailedError,
  PasswordUnavailableError,
  ServerUnavailableError,
} from '../../src/errors.ts'
import { Breakers } from '../../src/router/breaker/breakers.ts'
import { EventHub } from '../../src/router/events.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { serverRecord, tenantRecord } from '../registry/records.ts'

const main = serverRecord('main')
const other = serverRecord('other')
const acme = tenantRecord('acme')
const globex = tenantRecord('globex')
const refused = new ServerUnavailableError('refused', {
  cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
})
const hungUp = new ServerUnavailableError('the server hung up')
const starting = new ServerUnavailableError('57P03', { sqlstate: '57P03' })
const full = new ServerUnavailableError('53300: sorry', { sqlstate: '53300' })
const atLimit = new ServerUnavailableError('53300: too many connections for role "x"', { sqlstate: '53300' })
const noPassword = new PasswordUnavailableError('the provider failed')
const wrongPassword = new LoginFailedError('28P01', { sqlstate: '28P01' })

/** Breakers under a clock of their own, and what they told. */
function ground() {
  const told: string[] = []
  const events = new EventHub()
  events.on('breakerOpened', ({ server }) => told.push(`opened ${server}`))
  events.on('breakerClosed', ({ server, openMs }) => told.push(`closed ${server} after ${openMs}`))
  const clock = { now: 0 }
  const breakers = new Breakers(events, () => clock.now)
  const fail = (error: Error, record = acme, server = main) => breakers.begin(record, server).failed(error)
  const mayOpen = (record: TenantRecord = acme, server = main) =>
    breakers.refusal(record, server) === undefined
  return { breakers, clock, events, told, fail, mayOpen }
}

describe("a server's breaker", () => {
  it('opens when nothing listens there: every tenant of it is refused, and of no other server', () => {
    const { breakers, fail, mayOpen, told } = ground()
    expect(mayOpen()).toBe(true)
    fail(refused)
    expect(breakers.refusal(globex, main)).toBeInstanceOf(CircuitOpenError)
    expect(mayOpen(globex, other)).toBe(true)
    expect(breakers.stateOf('main')).toBe('open')
    expect(told).toEqual(['opened main'])
  })

  it('lets one probe a second pass, also while the one before hangs, and is half open meanwhile', () => {
    const { breakers, clock, fail, mayOpen } = ground()
    fail(refused)
    let probes = 0
    for (clock.now = 1; clock.now <= 10_000; clock.now++) {
      if (!mayOpen()) continue
      const probe = breakers.begin(acme, main)
      probes++
      expect(breakers.stateOf('main')).toBe('half-open')
      if (probes % 2 === 0) probe.failed(refused)
    }
    expect(probes).toBeGreaterThanOrEqual(8)
    expect(probes).toBeLessThanOrEqual(10)
  })

  it('closes with the first connection that opens, and tells of it once', () => {
    const { breakers, clock, fail, mayOpen, told } = ground()
    fail(refused)
    clock.now = 1_300
    const [first, hanging] = [breakers.begin(acme, main), breakers.begin(globex, main)]
    first.opened()
    expect([mayOpen(), breakers.stateOf('main'), breakers.broken]).toEqual([true, 'closed', []])
    hanging.opened()
    expect(told).toEqual(['opened main', 'closed main after 1300'])
  })

  it('hears nothing of attempts that never came to the server', () => {
    const { breakers, clock, fail, mayOpen } = ground()
    for (const record of [acme, globex, acme, globex]) fail(noPassword, record)
    expect(mayOpen(tenantRecord('initech'))).toBe(true)
    expect(mayOpen(acme)).toBe(false)
    fail(refused)
    clock.now = 1_300
    fail(noPassword)
    expect(breakers.stateOf('main')).toBe('open')
  })

  it('is not half open for a probe of an earlier time', () => {
    const { breakers, clock, fail } = ground()
    fail(refused)
    clock.now = 1_300
    const hanging = breakers.begin(acme, main)
    breakers.begin(globex, main).opened()
    fail(refused)
    expect(breakers.stateOf('main')).toBe('open')
    hanging.failed(refused)
    expect(breakers.stateOf('main')).toBe('open')
    clock.now = 2_600
    breakers.begin(globex, main)
    expect(breakers.stateOf('main')).toBe('half-open')
  })

  it('opens for attempts that nobody answered when they were of several tenants, not of one', () => {
    const { breakers, clock, fail } = ground()
    for (let i = 0; i < 20; i++) {
      clock.now += 100
      fail(hungUp)
    }
    expect(breakers.stateOf('main')).toBe('closed')
    fail(hungUp, globex)
    expect(breakers.stateOf('main')).toBe('open')
  })

  it('forgets unanswered attempts when one is answered, and after a while', () => {
    const { breakers, clock, fail } = ground()
    fail(hungUp)
    fail(hungUp, globex)
    breakers.begin(acme, main).opened()
    fail(hungUp)
    fail(hungUp, globex)
    clock.now = 20_000
    fail(hungUp)
    expect(breakers.stateOf('main')).toBe('closed')
  })

  it('stays closed for a server that starts or stops, which answers in its own words for half a second', () => {
    const { breakers, clock, fail, mayOpen, told } = ground()
    fail(starting)
    expect(breakers.refusal(globex, main)).toBe(starting)
    expect(breakers.stateOf('main')).toBe('closed')
    clock.now = 601
    expect(mayOpen()).toBe(true)
    expect(told).toEqual([])
  })

  it('closes when a probe hears that the server starts', () => {
    const { breakers, clock, fail } = ground()
    fail(refused)
    clock.now = 1_300
    fail(starting)
    expect(breakers.stateOf('main')).toBe('closed')
    expect(breakers.refusal(acme, main)).toBe(starting)
  })

  it.each([
    ['53100', new ServerUnavailableError('disk full', { sqlstate: '53100' })],
    ['57P01', new ServerUnavailableError('terminated', { sqlstate: '57P01' })],
    ['28P01', wrongPassword],
  ])('stays closed after any number of %s', (_, error) => {
    const { breakers, fail, mayOpen } = ground()
    for (let i = 0; i < 50; i++) fail(error, tenantRecord(`t${i}`))
    expect(breakers.stateOf('main')).toBe('closed')
    expect(mayOpen()).toBe(true)
  })
})

describe('a server that is full', () => {
  it('is asked again ever more rarely, by nobody meanwhile, and refuses no one', () => {
    const { breakers, clock, fail, mayOpen } = ground()
    const waits = Array.from({ length: 7 }, () => {
      const { retryInMs, isServerFull } = fail(full)
      expect(isServerFull).toBe(true)
      expect(breakers.waitMs(main)).toBe(retryInMs)
      expect(mayOpen(globex)).toBe(true)
      clock.now += retryInMs ?? 0
      return retryInMs ?? 0
    })
    for (const [i, ms] of waits.entries()) {
      expect(ms).toBeGreaterThanOrEqual(Math.min(50 * 2 ** i, 1_000))
      expect(ms).toBeLessThanOrEqual(1_200)
    }
  })

  it('may be asked at once when a connection of ours has closed there', () => {
    const { breakers, events, fail } = ground()
    fail(full)
    expect(breakers.waitMs(main)).toBeGreaterThan(0)
    events.emit('closed', { tenant: acme.id, server: 'main', pid: 1, reason: 'reclaim' })
    expect(breakers.waitMs(main)).toBe(0)
  })

  it('is told from a tenant at its own limit, which holds back that tenant alone', () => {
    const { breakers, fail, mayOpen } = ground()
    const { retryInMs, isServerFull } = fail(atLimit)
    expect(retryInMs).toBeGreaterThanOrEqual(50)
    expect([isServerFull, breakers.waitMs(main), mayOpen()]).toEqual([false, 0, true])
  })
})

describe("a tenant's breaker", () => {
  it('refuses with what its login failed with, once a second, and no other tenant', () => {
    const { breakers, clock, fail, mayOpen } = ground()
    fail(wrongPassword)
    expect(breakers.refusal(acme, main)).toBe(wrongPassword)
    expect(mayOpen(globex)).toBe(true)
    clock.now = 999
    expect(mayOpen()).toBe(false)
    clock.now = 1_000
    expect(mayOpen()).toBe(true)
  })

  it('lets a changed record pass at once, and not one that was only read again', () => {
    const { fail, mayOpen } = ground()
    fail(wrongPassword)
    expect(mayOpen({ ...acme })).toBe(false)
    expect(mayOpen({ ...acme, updatedAt: '2026-01-02T03:04:06.000Z' })).toBe(true)
    expect(mayOpen({ ...acme, epoch: 2 })).toBe(true)
  })

  it('ends with the first connection that opens', () => {
    const { breakers, clock, fail, mayOpen } = ground()
    fail(wrongPassword)
    clock.now = 10
    breakers.begin(acme, main).opened()
    expect(mayOpen()).toBe(true)
  })

  it('holds back a tenant that is not answered twice, and not for the first time', () => {
    const { fail, mayOpen } = ground()
    fail(hungUp)
    expect(mayOpen()).toBe(true)
    fail(hungUp)
    expect(mayOpen()).toBe(false)
  })

  it('is remembered for 10,000 tenants', () => {
    const { fail, mayOpen } = ground()
    for (let i = 0; i <= 10_000; i++) fail(wrongPassword, tenantRecord(`t${i}`))
    expect(mayOpen(tenantRecord('t0'))).toBe(true)
    expect(mayOpen(tenantRecord('t1'))).toBe(false)
  })
})

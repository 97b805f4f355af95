import { describe, expect, it } from 'vitest'
import { RouterOptions } from '../../src/router/options.ts'
import { Budget } from '../../src/router/pool/budget.ts'
import { PoolMap } from '../../src/router/pool/pool-map.ts'
import { Room } from '../../src/router/pool/room.ts'
import { BatchShare } from '../../src/router/scheduling/batch-share.ts'
import { growsInMs } from '../../src/router/scheduling/growth.ts'
import { serverRecord, tenantRecord } from '../registry/records.ts'
import { startWorld } from '../support/world.ts'

describe('growth of a tenant that has a connection', () => {
  const calm = {
    waitedMs: 0,
    sinceArrivalMs: 0,
    waitedTogetherMs: 0,
    serviceMs: 0,
    growAfterMs: 2,
    fill: 0.1,
  }

  it('waits for the floor where leases are shorter', () => {
    expect(growsInMs({ ...calm, serviceMs: 0.5 })).toBe(2)
    expect(growsInMs({ ...calm, serviceMs: 0.5, waitedMs: 2 })).toBe(0)
  })

  it('waits for one lease to last where leases are longer', () => {
    expect(growsInMs({ ...calm, serviceMs: 40, waitedMs: 15 })).toBe(25)
  })

  it('comes too where somebody waits all the time, each for a little', () => {
    expect(growsInMs({ ...calm, serviceMs: 4, waitedMs: 0.5, waitedTogetherMs: 63 })).toBe(1)
    expect(growsInMs({ ...calm, serviceMs: 4, waitedMs: 0.5, waitedTogetherMs: 64 })).toBe(0)
  })

  it('comes later while the event loop is at work, yet comes', () => {
    expect(growsInMs({ ...calm, serviceMs: 4, sinceArrivalMs: 31 })).toBe(1)
    expect(growsInMs({ ...calm, serviceMs: 4, sinceArrivalMs: 32 })).toBe(0)
    expect(growsInMs({ ...calm, serviceMs: 100, fill: 0.9, sinceArrivalMs: 500 })).toBe(0)
    expect(growsInMs({ ...calm, serviceMs: 1_000, sinceArrivalMs: 500 })).toBe(500)
  })

  it('waits for several once the scope is four fifths full', () => {
    expect(growsInMs({ ...calm, serviceMs: 10, fill: 0.79 })).toBe(10)
    expect(growsInMs({ ...calm, serviceMs: 10, fill: 0.8 })).toBe(40)
  })
})

it('a tenant whose connection is held long gets a second one, though the event loop is never idle', async () => {
  await using world = await startWorld(['acme'], { maxConnections: 10 })
  let isSpinning = true
  const spin = () => {
    if (isSpinning) setImmediate(spin)
  }
  spin()
  using held = await world.lease('acme')
  using second = await world.lease('acme')
  isSpinning = false
  expect(second.connection.pid).not.toBe(held.connection.pid)
})

describe('the share of batch leases', () => {
  it('is a fifth of each budget, and at least one', () => {
    const options = RouterOptions.parse({ maxConnections: 15, maxConnectionsPerTenant: 10 })
    const pools = new PoolMap(10, () => {})
    const share = new BatchShare(new Room(options, new Budget(options.maxConnections), pools))
    const poolOn = (tenant: string, server: string, maxConnections: number) =>
      pools.add(tenantRecord(tenant), 1, serverRecord(server, { budget: { maxConnections, headroom: 3 } }))
    const [small, large] = [poolOn('acme', 'small', 2), poolOn('globex', 'large', 100)]
    expect(share.hasRoom(small)).toBe(true)
    share.take(small)
    expect(share.hasRoom(small)).toBe(false)
    expect(share.hasRoom(large)).toBe(true)
    share.take(large)
    share.take(large)
    expect(share.hasRoom(poolOn('initech', 'other', 100))).toBe(false)
    share.giveBack(small)
    expect(share.hasRoom(small)).toBe(true)
    expect(share.hasRoom(large)).toBe(false)
    expect(share.hasRoom(poolOn('hooli', 'other', 100))).toBe(true)
  })
})

import { describe, expect, it } from 'vitest'
import { BatchShare } from '../../src/router/scheduling/batch-share.ts'
import { growsInMs } from '../../src/router/scheduling/growth.ts'

describe('growth of a tenant that has a connection', () => {
  const calm = { waitedMs: 0, serviceMs: 0, growAfterMs: 2, fill: 0.1 }

  it('waits for the floor where leases are shorter', () => {
    expect(growsInMs({ ...calm, serviceMs: 0.5 })).toBe(2)
    expect(growsInMs({ ...calm, serviceMs: 0.5, waitedMs: 2 })).toBe(0)
  })

  it('waits for one lease to last where leases are longer', () => {
    expect(growsInMs({ ...calm, serviceMs: 40, waitedMs: 15 })).toBe(25)
  })

  it('waits for several once the scope is four fifths full', () => {
    expect(growsInMs({ ...calm, serviceMs: 10, fill: 0.79 })).toBe(10)
    expect(growsInMs({ ...calm, serviceMs: 10, fill: 0.8 })).toBe(40)
  })
})

describe('the share of batch leases', () => {
  it('is a fifth of each budget, and at least one', () => {
    const share = new BatchShare(10)
    expect(share.hasRoom('small', 2)).toBe(true)
    const giveBack = share.take('small')
    expect(share.hasRoom('small', 2)).toBe(false)
    expect(share.hasRoom('large', 100)).toBe(true)
    share.take('large')
    expect(share.hasRoom('large', 100)).toBe(false)
    giveBack()
    expect(share.hasRoom('small', 2)).toBe(true)
  })
})

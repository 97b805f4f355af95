import { describe, expect, it } from 'vitest'
import { currentLeaseContext, inLeaseContext } from '../../src/router/scheduling/lease-context.ts'

describe('a scoped use of the router', () => {
  it('is nested once it, or one around it, holds a lease', () => {
    inLeaseContext(() => {
      const outer = currentLeaseContext()
      expect(outer?.holdsLease).toBe(false)
      const giveBack = outer?.holdLease()
      inLeaseContext(() => expect(currentLeaseContext()?.holdsLease).toBe(true))
      giveBack?.()
      giveBack?.()
      inLeaseContext(() => expect(currentLeaseContext()?.holdsLease).toBe(false))
    })
  })

  it('waits while one inside it waits', () => {
    inLeaseContext(() => {
      const outer = currentLeaseContext()
      inLeaseContext(() => {
        const stop = currentLeaseContext()?.startWaiting()
        expect(outer?.isWaiting).toBe(true)
        stop?.()
        stop?.()
        expect(outer?.isWaiting).toBe(false)
      })
    })
    expect(currentLeaseContext()).toBeUndefined()
  })
})

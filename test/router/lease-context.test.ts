import { describe, expect, it } from 'vitest'
import { currentLeaseContext, inLeaseContext } from '../../src/router/scheduling/lease-context.ts'

describe('a scoped use of the router', () => {
  it('is nested once it, or one around it, holds a lease', () => {
    inLeaseContext(() => {
      const outer = currentLeaseContext()
      expect(outer?.holdsLease).toBe(false)
      outer?.leaseBegan()
      inLeaseContext(() => expect(currentLeaseContext()?.holdsLease).toBe(true))
      outer?.leaseEnded()
      inLeaseContext(() => expect(currentLeaseContext()?.holdsLease).toBe(false))
    })
  })

  it('is blocked while what it waits for, or one inside it does, is held by others', () => {
    inLeaseContext(() => {
      const outer = currentLeaseContext()
      inLeaseContext(() => {
        let isHeldByOthers = false
        const stop = currentLeaseContext()?.startWaiting(() => isHeldByOthers)
        expect(outer?.isBlocked).toBe(false)
        isHeldByOthers = true
        expect(outer?.isBlocked).toBe(true)
        stop?.()
        expect(outer?.isBlocked).toBe(false)
      })
    })
    expect(currentLeaseContext()).toBeUndefined()
  })
})

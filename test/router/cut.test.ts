import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loopIdle } from './model-clock.ts'
import { ModelWorld } from './model-world.ts'

const acme = { tenant: 'acme', trust: 'application', class: 'interactive', onlyIfWarm: false } as const
let clock: Disposable | undefined

describe('a tenant that is suspended', () => {
  beforeEach(() => {
    clock = loopIdle()
  })
  afterEach(() => clock?.[Symbol.dispose]())

  it.each(['again', 'never'])(
    'loses its leases of an older epoch too, where it asked %s since',
    async (asked) => {
      const world = new ModelWorld()
      world.ask(acme)
      await world.settle()
      world.servers.finishOpening(0)
      await world.settle()
      world.rotate('acme', 'epoch')
      if (asked === 'again') world.ask(acme)
      expect(world.holds('acme')).toBe(true)
      world.cut('acme', 'suspended')
      await world.settle()
      expect([world.holds('acme'), world.isAsking('acme')]).toEqual([false, false])
    },
  )
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startDirectory } from './directory-ground.ts'
import { ModelClock } from './model-clock.ts'
import { tenant } from './records.ts'

let clock: ModelClock
beforeEach(() => {
  clock = new ModelClock()
})
afterEach(() => clock[Symbol.dispose]())

describe('a registry in trouble', () => {
  it.each(['down', 'hanging'] as const)(
    'is asked at most twice a second, however many ask for how many names: %s',
    async (mode) => {
      await using world = await clock.while(startDirectory())
      world.registry.mode = mode
      let refused = 0
      const finds: number[] = []
      for (let second = 0; second < 60; second++) {
        const before = world.registry.finds
        for (let i = 0; i < 50; i++) {
          world.directory.tenant(parseTenantId(`t${second}-${i}`)).catch((error: unknown) => {
            if (error instanceof RegistryUnavailableError) refused++
          })
        }
        await clock.advance(1_000)
        finds.push(world.registry.finds - before)
      }
      // From its beginning, which is quicker; a pause of half a second fits into one second up to three times.
      expect(Math.max(...finds.slice(3))).toBeLessThanOrEqual(3)
      await clock.advance(3_000)
      expect(refused).toBe(3_000)
      // Those that were under way at once when it began, and then one after the other.
      expect(world.registry.finds).toBeLessThanOrEqual(32 + 2 * 63)
      expect(world.registry.finds).toBeGreaterThan(20)
    },
  )

  it('answers everyone within two seconds after it is back', async () => {
    await using world = await clock.while(startDirectory())
    const { registry, directory } = world
    for (let i = 0; i < 200; i++) registry.put(tenant(`t${i}`))
    registry.mode = 'hanging'
    for (let i = 0; i < 100; i++) directory.tenant(parseTenantId(`t${i}`)).catch(() => {})
    await clock.advance(10_000)
    registry.mode = 'up'
    const asked = performance.now()
    const found = await clock.while(
      Promise.all(Array.from({ length: 200 }, (_, i) => directory.tenant(parseTenantId(`t${i}`)))),
    )
    expect(found.every((entry) => entry !== undefined)).toBe(true)
    expect(performance.now() - asked).toBeLessThan(2_000)
  })

  it('is asked no more than 32 things at once while it answers', async () => {
    await using world = await clock.while(startDirectory())
    const release = world.registry.holdAnswers()
    const names = Array.from({ length: 500 }, (_, i) => parseTenantId(`t${i}`))
    const found = Promise.all(names.map((id) => world.directory.tenant(id)))
    await clock.advance(10)
    expect(world.registry.finds).toBe(32)
    release()
    await clock.while(found)
    expect(world.registry.finds).toBe(500)
  })

  it('keeps no more than a thousand waiting', async () => {
    await using world = await clock.while(startDirectory())
    world.registry.mode = 'hanging'
    const names = Array.from({ length: 1_100 }, (_, i) => parseTenantId(`t${i}`))
    const outcomes = Promise.allSettled(names.map((id) => world.directory.tenant(id)))
    const reasons = (await clock.while(outcomes)).map((o) =>
      o.status === 'rejected' ? String(o.reason) : '',
    )
    expect(reasons.filter((reason) => reason.includes('1000 reads of the registry wait'))).toHaveLength(68)
    expect(reasons.every((reason) => reason !== '')).toBe(true)
  })

  it('costs no timer and no waiting lookup once the directory is closed', async () => {
    const world = await clock.while(startDirectory())
    world.registry.mode = 'down'
    const names = Array.from({ length: 100 }, (_, i) => parseTenantId(`t${i}`))
    const outcomes = Promise.allSettled(names.map((id) => world.directory.tenant(id)))
    await clock.advance(50)
    await world.directory.close()
    expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })
})

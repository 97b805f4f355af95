import { expect, it } from 'vitest'
import { interleave } from './interleaved.ts'

it('a thousand tenants that wait, stream, sleep and transact at once are each themselves at every step', async () => {
  const { strays, steps, mostWaiters } = await interleave(1_000, 24)
  expect(strays.slice(0, 5)).toEqual([])
  expect(steps).toBe(1_000 * 25)
  expect(mostWaiters).toBeGreaterThan(900)
}, 60_000)

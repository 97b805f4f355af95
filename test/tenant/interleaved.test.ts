import { expect, it } from 'vitest'
import { interleave } from './interleaved.ts'

it('a thousand tenants that wait, stream, sleep and transact at once are each themselves at every step', async () => {
  const { strays, steps, mostWaiters } = await interleave(1_000, 24)
  expect(strays.slice(0, 5)).toEqual([])
  // Six of each, and then those of its kind: 5, 11 or 3.
  expect(steps).toBe(1_000 * 6 + 334 * 5 + 333 * 11 + 333 * 3)
  expect(mostWaiters).toBeGreaterThan(900)
}, 60_000)

import { expect, it } from 'vitest'
import { raceCancels } from './cancel-race.ts'
import { startGround } from './ground.ts'

it('never hits a statement that nobody cancelled, in 100,000 cancels about when statements end', async () => {
  await using ground = await startGround()
  const connections = await Promise.all([1, 2, 3, 4, 5, 6].map(() => ground.open()))
  const { innocent, cancelled, answered } = await raceCancels(connections, 100_000)
  expect(innocent).toEqual([])
  expect(cancelled).toBeGreaterThan(1_000)
  expect(answered).toBeGreaterThan(1_000)
  expect(cancelled + answered).toBe(100_000)
})

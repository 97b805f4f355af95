import { expect, it } from 'vitest'
import { cancelUntilQuiet } from '../../src/router/pool/quiet.ts'
import { heapUsed } from '../support/heap.ts'
import { ModelConnection } from './model-connection.ts'

it('cleaning after a lease keeps nothing of it, however long the connection lives', async () => {
  const connection = new ModelConnection(1, () => {})
  const clean = async (leases: number) => {
    for (let i = 0; i < leases; i++) await cancelUntilQuiet(connection, Promise.resolve())
    return heapUsed()
  }
  const before = await clean(5_000)
  const after = await clean(30_000)
  expect(after - before).toBeLessThan(1_000_000)
})

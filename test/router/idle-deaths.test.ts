import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

const ROUNDS = 30
const TENANTS = Array.from({ length: 8 }, (_, n) => `tenant-${n + 1}`)

async function useAll(world: World): Promise<void> {
  await Promise.all(
    TENANTS.map(async (tenant) => {
      using lease = await world.lease(tenant)
      const { rows } = await lease.run({ text: 'select distinct tenant from notes' })
      expect(rows).toEqual([{ tenant }])
    }),
  )
}

it('shows its callers nothing of hundreds of backends that were killed while idle', async () => {
  await using world = await startWorld(TENANTS)
  const databases = [...world.places.values()].map(({ database }) => database)
  const client = await world.server.connect()
  let killed = 0
  for (let round = 0; round < ROUNDS; round++) {
    await useAll(world)
    const { rows } = await client.query(
      'select pg_terminate_backend(pid) as signalled from pg_stat_activity where datname = any($1)',
      [databases],
    )
    killed += rows.filter((row) => row.signalled).length
    // The server's word that they have gone is what we wait for, not the router's that it noticed.
    for (let left = 1; left > 0; ) {
      const { rowCount } = await client.query('select 1 from pg_stat_activity where datname = any($1)', [
        databases,
      ])
      left = rowCount ?? 0
    }
    // Their last words have arrived, and are read in this turn of the event loop or the next.
    await nextTurn()
    await nextTurn()
  }
  await client.end()
  expect(killed).toBeGreaterThanOrEqual(200)
  await useAll(world)
}, 60_000)

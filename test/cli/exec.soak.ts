import { expect, it } from 'vitest'
import { MIGRATED, migratesFleet } from './migrated-fleet.ts'

it('exec brings 20 tenants to one schema with the migrators of Drizzle Kit and node-pg-migrate, and notes it', async () => {
  expect(await migratesFleet(20)).toEqual(Array.from({ length: 20 }, () => MIGRATED))
})

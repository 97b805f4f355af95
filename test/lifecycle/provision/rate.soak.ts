import { describe, expect, it } from 'vitest'
import { measureRates } from './rate.ts'

describe.each([15, 18] as const)('provisioning on Postgres %i', (version) => {
  it('takes under 25 ms from a spare, and makes at least 0.7 of the databases that bare CREATE DATABASE makes', async () => {
    const rates = await measureRates({ version, spares: 40, fresh: 200, atOnce: 4 })
    process.stdout.write(`Postgres ${version}: ${JSON.stringify(rates)}\n`)
    expect(rates.spareP50Ms).toBeLessThan(25)
    expect(rates.provisioned / rates.bare).toBeGreaterThan(0.7)
  })
})

it('makes 1,000 tenants in one run without a failure', async () => {
  const rates = await measureRates({ version: 18, spares: 0, fresh: 1_000, atOnce: 8 })
  process.stdout.write(`1,000 tenants: ${JSON.stringify(rates)}\n`)
  expect(rates.provisioned).toBeGreaterThan(0)
})

import { expect, it } from 'vitest'
import { becomesReady } from './ready-again.ts'
import { outlastsOutage } from './service-outage.ts'

const ROUNDS = 10
const SECONDS = 60

it.each(['refuse', 'black-hole'] as const)(
  'a service that starts while its registry is down is ready within two seconds after it is back: %s',
  async (mode) => {
    const took: number[] = []
    for (let round = 0; round < ROUNDS; round++) took.push(await becomesReady(mode))
    process.stdout.write(`ready after the registry, ${mode}: ${took.map(Math.round).join(', ')} ms\n`)
    expect(Math.max(...took)).toBeLessThan(2_000)
  },
)

it.each(['refused', 'a black hole', 'slow'] as const)(
  'a service serves its tenants through an outage of its registry, and shows for how long: %s',
  async (outage) => {
    const { asked, longestMs } = await outlastsOutage(outage, SECONDS)
    process.stdout.write(
      `registry ${outage} for ${SECONDS} s: ${asked} asked, none failed, longest ${Math.round(longestMs)} ms\n`,
    )
    expect(asked).toBeGreaterThan(SECONDS)
  },
)

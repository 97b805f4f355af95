import { expect, it } from 'vitest'
import { outlastsOutage } from './service-outage.ts'

// Refused and slow ones, each for a minute: registry.soak.ts.
it('a service serves its tenants while its registry is a black hole, and shows for how long', async () => {
  const { asked } = await outlastsOutage('a black hole', 2)
  expect(asked).toBeGreaterThan(20)
})

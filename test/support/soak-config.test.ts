import { expect, it } from 'vitest'
import soak from '../../vitest.soak.config.ts'

it('npm run soak runs the long runs only, in the same surroundings', () => {
  expect(soak.test).toMatchObject({ include: ['test/**/*.soak.ts'], pool: 'forks' })
})

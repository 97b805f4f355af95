import { expect, it } from 'vitest'
import { checkDirectory } from './directory-steps.ts'

it('a directory never goes back, is never out of date with a sound registry, serves the known without one, and ends', async () => {
  await expect(checkDirectory(100, 40)).resolves.toBeUndefined()
})

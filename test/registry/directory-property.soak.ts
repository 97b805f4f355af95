import { expect, it } from 'vitest'
import { checkDirectory } from './directory-steps.ts'

it('holds the directory’s promises through 5,000 long random interleavings', async () => {
  await expect(checkDirectory(5_000, 80)).resolves.toBeUndefined()
})

import { expect, it } from 'vitest'
import { checkCache } from './random-cache.ts'
import { startScopes } from './scope-ground.ts'

it('gives each tenant what it wrote itself and nothing else, through 100,000 random operations', async () => {
  await using ground = await startScopes()
  for (const seed of [1, 2, 3, 4]) {
    await ground.server.command('flushall') // the model of the next one knows nothing of this one's entries
    await expect(checkCache(ground, 25_000, 50, seed)).resolves.toBeUndefined()
  }
})

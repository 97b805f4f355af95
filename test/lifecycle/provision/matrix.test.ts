import { describe, expect, it } from 'vitest'
import { LifecycleGround } from '../ground.ts'
import { OPEN_TO_ALL, shut, tryEveryDoor } from './matrix.ts'

describe.each([15, 18] as const)('the credentials of every tenant on Postgres %i', (version) => {
  it(`open its own database and no other tenant's, also while one is made; ${OPEN_TO_ALL.join(' and ')} stay open until their owner closes them`, async () => {
    await using ground = await LifecycleGround.withServer(version)
    expect(await tryEveryDoor(ground, 4, false, 1)).toEqual(shut(4, 1))
  })
})

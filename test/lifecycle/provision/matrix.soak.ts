import { describe, expect, it } from 'vitest'
import { startPostgres } from '../../support/postgres.ts'
import { LifecycleGround } from '../ground.ts'
import { shut, tryEveryDoor } from './matrix.ts'

describe.each([15, 18] as const)('the credentials of twelve tenants on Postgres %i', (version) => {
  it('open its own database and nothing else, once the owner of the server closed postgres and template1', async () => {
    await using server = await startPostgres({ version })
    await using ground = await LifecycleGround.on(server)
    const admin = `"${ground.admin.role}"`
    await server.execute(
      `revoke connect on database postgres, template1 from public; grant connect on database postgres to ${admin}`,
    )
    expect(await tryEveryDoor(ground, 12, true)).toEqual(shut(12))
    await server.execute(`revoke connect on database postgres from ${admin}`) // which is dropped at the end
  })

  it('open its own database and no other tenant’s, where those two stay open', async () => {
    await using ground = await LifecycleGround.withServer(version)
    expect(await tryEveryDoor(ground, 12, false)).toEqual(shut(12))
  })
})

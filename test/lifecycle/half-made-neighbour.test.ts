import { describe, expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { LifecycleGround } from './ground.ts'

describe.each([15, 18] as const)('a tenant on Postgres %i', (version) => {
  it('is isolated though another one is half made: nobody can enter that before it is closed to all others', async () => {
    await using ground = await LifecycleGround.withServer(version)
    const parts = { ...ground.parts, scramIterations: 1 }
    const seen: [string, boolean | undefined][] = []
    const onStep = async ({ name }: { name: string }) => {
      const id = `during-${name}`
      await provisionTenant(parts, { id }, 'test')
      seen.push([name, (await ground.tenant(id)).isolation?.isolated])
    }
    await provisionTenant({ ...parts, onStep }, { id: 'acme' }, 'test')
    expect(seen.map(([name]) => name)).toContain('database')
    expect(seen.filter(([, isIsolated]) => isIsolated !== true)).toEqual([])
  })
})

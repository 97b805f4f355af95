import { describe, expect, it } from 'vitest'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import { AdoptGround } from './adopt-ground.ts'
import { describeKills } from './adopt-kills.ts'

// Each step once; every one on both versions is in adopt-kills.soak.ts.
describeKills(15, (index) => index % 2 === 0)
describeKills(18, (index) => index % 2 === 1)

describe('an adoption that failed', () => {
  it('can be undone, and is not gone on with afterwards', async () => {
    await using world = await AdoptGround.start(18)
    const acme = await world.register()
    const before = await world.catalog(acme)
    const onStep = ({ name }: { name: string }) => {
      if (name === 'stamp') throw new Error('a defect')
    }
    await expect(adoptTenant({ ...world.parts, onStep }, 'acme', {}, 'test')).rejects.toThrow('a defect')
    const { entries } = await world.ground.registry.list('operation', undefined, { state: 'failed' })
    expect(await adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')).toMatchObject({
      did: 'undone',
    })
    expect(await world.catalog(acme)).toEqual(before)
    await expect(resumeOperation(world.parts, entries[0]?.id ?? '', 'test')).rejects.toThrow('was undone')
    expect(await adoptTenant(world.parts, 'acme', {}, 'test')).toMatchObject({ did: 'adopted' })
  })
})

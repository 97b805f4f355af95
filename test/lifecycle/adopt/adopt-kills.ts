import { describe, expect, it } from 'vitest'
import { ADOPT_STEPS } from '../../../src/lifecycle/adopt/adopt-steps.ts'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { RELEASE_STEPS } from '../../../src/lifecycle/adopt/release-steps.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import { dyingAfter, runningOf, successor } from '../dying.ts'
import { AdoptGround } from './adopt-ground.ts'

const ROWS = [{ body: 'old' }]
const READ = 'select body from notes'
const RELEASING = ['route', ...RELEASE_STEPS.map(({ name }) => name)]

async function goOn(world: AdoptGround): Promise<void> {
  const id = await runningOf(world.ground.registry, 'acme')
  await (await resumeOperation(successor(world.parts), id, 'test')).result
}

/** @param picked whether a process is killed after the step of this place, of an adoption and then of its undoing. */
export function describeKills(version: 15 | 18, picked: (index: number) => boolean): void {
  describe(`a process that is killed on Postgres ${version}`, () => {
    it('after a step of an adoption, or of its undoing, leaves what another goes on with; the tenant is served all the while', async () => {
      await using world = await AdoptGround.start(version)
      const acme = await world.register()
      const before = await world.catalog(acme)
      const toldBefore = await world.told('acme')
      const dies = async (step: string, undo: boolean) => {
        const work = adoptTenant(dyingAfter(world.parts, step), 'acme', { undo, hearMs: 0 }, 'test')
        await expect(work).rejects.toThrow('the process is gone')
        expect([step, await world.query('acme', READ)]).toEqual([step, ROWS])
        await goOn(world)
      }
      expect(RELEASING).toHaveLength(ADOPT_STEPS.length)
      for (const [index, { name }] of ADOPT_STEPS.entries()) {
        if (!picked(index)) continue
        await dies(name, false)
        expect(await world.ground.tenant('acme')).toMatchObject({
          origin: 'provisioned',
          isolation: { isolated: true },
        })
        expect(await world.query('acme', READ)).toEqual(ROWS)
        // The old login is let in until that is confirmed.
        expect(await world.told('acme')).toEqual([expect.stringMatching(new RegExp(`^info: .*${acme.role}`))])
        await dies(RELEASING[index] ?? '', true)
        expect(await world.told('acme')).toEqual(toldBefore)
        expect([name, await world.catalog(acme)]).toEqual([name, before])
      }
    }, 120_000)
  })
}

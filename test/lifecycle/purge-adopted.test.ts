import { expect, it } from 'vitest'
import { adoptTenant } from '../../src/lifecycle/adopt/adopt-tenant.ts'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant } from '../../src/lifecycle/delete/purge-tenant.ts'
import { undeleteTenant } from '../../src/lifecycle/delete/undelete-tenant.ts'
import { AdoptGround } from './adopt/adopt-ground.ts'
import { namedAfter } from './purge-ground.ts'

it('purges an adopted tenant only once that is confirmed: its database with it, its old role never', async () => {
  await using world = await AdoptGround.start(18)
  const acme = await world.register()
  const { tenant } = await adoptTenant(world.parts, 'acme', {}, 'test')
  const remove = () => deleteTenant(world.parts, 'acme', { confirm: 'acme' }, 'test')
  const purge = () => purgeTenant(world.parts, 'acme', { confirm: 'acme', now: true }, 'test')
  await remove()
  await expect(purge()).rejects.toThrow(/adopted, which is neither confirmed nor undone/)
  await undeleteTenant(world.parts, 'acme', 'test')
  await adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0 }, 'test')
  await remove()
  const left = (await purge()).receipt.filter(({ outcome }) => outcome === 'left').map(({ what }) => what)
  expect(left).toEqual(['sessions', 'database', 'roles'])
  expect(await namedAfter(world.ground, acme.database)).toContain(acme.database)
  expect(await namedAfter(world.ground, tenant.role.slice(0, -1))).toEqual([])

  const globex = await world.register({ id: 'globex' })
  const adopted = await adoptTenant(world.parts, 'globex', {}, 'test')
  await adoptTenant(world.parts, 'globex', { confirm: true, hearMs: 0 }, 'test')
  await deleteTenant(world.parts, 'globex', { confirm: 'globex' }, 'test')
  const { receipt } = await purgeTenant(world.parts, 'globex', { confirm: 'globex', now: true }, 'test')
  expect(receipt.map(({ outcome }) => outcome)).toEqual(Array(7).fill('gone'))
  expect(await namedAfter(world.ground, globex.database)).toEqual([])
  expect(await namedAfter(world.ground, adopted.tenant.role.slice(0, -1))).toEqual([])
  expect(await namedAfter(world.ground, globex.role)).toContain(globex.role)
})

import { expect, it } from 'vitest'
import { RegistryUnavailableError } from '../../../src/errors.ts'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { deleteTenant } from '../../../src/lifecycle/delete/delete-tenant.ts'
import { undeleteTenant } from '../../../src/lifecycle/delete/undelete-tenant.ts'
import { acceptServer } from '../../../src/lifecycle/server/accept-server.ts'
import { resumeTenant } from '../../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import { beforeCommit, firstOf } from '../meanwhile.ts'
import { AdoptGround } from './adopt-ground.ts'

const remove = (world: AdoptGround) => deleteTenant(world.parts, 'acme', { confirm: 'acme' }, 'test')

it('leaves the old login of a deleted adopted tenant to its owner and says so, until it is confirmed as locked', async () => {
  await using world = await AdoptGround.start(18)
  const { database, role } = await world.register({ owner: 'another' })
  await adoptTenant(world.parts, 'acme', {}, 'test')
  const named = expect.stringContaining(role)
  expect(await remove(world)).toMatchObject({ fence: 'database', caveat: named })
  await (await world.login(database, role)).end()
  await undeleteTenant(world.parts, 'acme', 'test')
  expect(await suspendTenant(world.parts, 'acme', {}, 'test')).toMatchObject({ caveat: named })
  await resumeTenant(world.parts, 'acme', 'test')
  await adoptTenant(world.parts, 'acme', { confirm: true, lockOldRole: true, hearMs: 0 }, 'test')
  expect(await remove(world)).toMatchObject({ fence: 'database', caveat: null })
})

it('locks no old login before that is on record, and none of a tenant that is released at that moment', async () => {
  await using world = await AdoptGround.start(18)
  const { database, role } = await world.register()
  await adoptTenant(world.parts, 'acme', {}, 'test')
  const lock = (meanwhile: () => Promise<unknown>) => {
    const parts = beforeCommit(world.parts, firstOf('tenant.adopt.lock'), meanwhile)
    return adoptTenant(parts, 'acme', { confirm: true, lockOldRole: true, hearMs: 0 }, 'test')
  }
  await expect(lock(() => Promise.reject(new RegistryUnavailableError('away')))).rejects.toThrow('away')
  await (await world.login(database, role)).end()
  const undo = () => adoptTenant(world.parts, 'acme', { undo: true, hearMs: 0, drainMs: 0 }, 'test')
  await expect(lock(undo)).rejects.toThrow(/no adoption to confirm/)
  await (await world.login(database, role)).end()
})

it('locks logins for people with a deleted tenant, and again where they came back with a restored server', async () => {
  await using world = await AdoptGround.start(18)
  await world.register()
  await adoptTenant(world.parts, 'acme', {}, 'test')
  await adoptTenant(world.parts, 'acme', { confirm: true, lockOldRole: true, hearMs: 0 }, 'test')
  const { credential } = await issueCredential(world.parts, 'acme', {}, 'test')
  const suspended = await suspendTenant(world.parts, 'acme', {}, 'test')
  expect(suspended.caveat).toMatch(new RegExp(`${credential.role}.*--revoke`))
  expect((await remove(world)).caveat).toBeNull()
  await world.ground.server.execute(`alter role ${credential.role} login`)
  expect(await world.told('acme')).toEqual([expect.stringContaining(`${credential.role} may log in`)])
  const { tenants } = await acceptServer(world.parts, 'main', {}, 'test')
  expect(tenants).toMatchObject([{ changes: [`role ${credential.role} may not log in any more`] }])
})

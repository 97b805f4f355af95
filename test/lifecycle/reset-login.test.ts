import { expect, it } from 'vitest'
import { resetLogin } from '../../src/lifecycle/login/reset-login.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { LifecycleGround, sqlstateOf } from './ground.ts'

it.each([15, 18] as const)(
  'the password of a login on Postgres %i is set again where the server refuses it, and nowhere else',
  async (version) => {
    await using ground = await LifecycleGround.withServer(version)
    const parts = { ...ground.parts, scramIterations: 1 }
    await provisionTenant(parts, { id: 'acme' }, 'test')
    const { role } = (await ground.tenant('acme')).route
    const change = () => ground.server.execute(`alter role "${role}" password 'mine'`)
    expect(await resetLogin(parts, 'acme', 'test')).toBe(false)
    await change()
    expect(await resetLogin({ ...parts, adminSealer: undefined }, 'acme', 'test')).toBe(false)
    expect(await sqlstateOf(ground.connect('acme'))).toBe('28P01')
    expect(await resetLogin(parts, 'acme', 'test')).toBe(true)
    await (await ground.connect('acme')).end()

    await change()
    await suspendTenant(parts, 'acme', {}, 'test')
    expect(await resetLogin(parts, 'acme', 'test')).toBe(false)
    const [found] = await ground.server.query(
      'select rolcanlogin as login from pg_roles where rolname = $1',
      [role],
    )
    expect(found).toEqual({ login: false })
  },
)

it('a login that is expired is not let in by its password, which is told', async () => {
  await using ground = await LifecycleGround.withServer(18)
  const parts = { ...ground.parts, scramIterations: 1 }
  await provisionTenant(parts, { id: 'acme' }, 'test')
  const { role } = (await ground.tenant('acme')).route
  await ground.server.execute(`alter role "${role}" valid until '2020-01-01'`)
  await expect(resetLogin(parts, 'acme', 'test')).rejects.toMatchObject({ code: 'precondition_failed' })
})

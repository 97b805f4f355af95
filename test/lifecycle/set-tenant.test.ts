import { describe, expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { removeServer } from '../../src/lifecycle/server/remove-server.ts'
import { decideTenant } from '../../src/lifecycle/tenant/change-tenant.ts'
import { setTenant } from '../../src/lifecycle/tenant/set-tenant.ts'
import { addAlias } from '../../src/lifecycle/tenant/tenant-aliases.ts'
import { matching } from '../../src/registry/matching-registry.ts'
import { audit, create, tenant } from '../registry/records.ts'
import { LifecycleGround } from './ground.ts'

describe('the limits of a tenant that we made', () => {
  it('are followed by the CONNECTION LIMIT of its roles, or the answer says that they are not', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const { route } = await ground.tenant('acme')
    const limitsOfRoles = async () => {
      const rows = await ground.server.query<{ n: number }>(
        "select rolconnlimit as n from pg_roles where rolname like $1 || '_' order by rolname",
        [route.role.slice(0, -1)],
      )
      return rows.map(({ n }) => n).slice(0, 2)
    }
    const set = (parts: typeof ground.parts, maxConnections: number | null) =>
      setTenant(parts, 'acme', { limits: { maxConnections } }, 'test')
    const before = await limitsOfRoles()
    expect((await set(ground.parts, 2)).caveat).toBeNull()
    const low = await limitsOfRoles()
    expect(low).not.toEqual(before)
    const keyless = await set({ ...ground.parts, adminSealer: undefined }, 5)
    expect(keyless.caveat).toMatch(/CONNECTION LIMIT .* TENANTRY_ADMIN_KEY/)
    expect(await limitsOfRoles()).toEqual(low)
    const again = await set(ground.parts, 5)
    expect([again.changes, again.caveat]).toEqual([[], null])
    expect((await limitsOfRoles())[0]).toBeGreaterThan(low[0] ?? 0)
    await set(ground.parts, null)
    expect(await limitsOfRoles()).toEqual(before)
    const { code } = await removeServer(ground.parts, 'main', 'test').catch((error) => error)
    expect(code).toBe('precondition_failed')
  })
})

describe('a change that was decided on a revision', () => {
  it('is refused at every other one, also where the record changes between its read and its commit', async () => {
    await using ground = await LifecycleGround.start(18)
    await create(ground.registry, tenant('acme'))
    const on = async () => {
      const { revision = 0 } = (await ground.registry.find('tenant', 'acme')) ?? {}
      return matching(ground.registry, { kind: 'tenant', id: 'acme', revision })
    }
    const label = (by: string) => ({ change: { labels: { by } }, audit })
    const late = await on()
    const overtaken = decideTenant(late, 'acme', async () => {
      await decideTenant(ground.registry, 'acme', () => label('others'))
      return label('us')
    })
    await expect(overtaken).rejects.toMatchObject({ code: 'revision_conflict' })
    const alias = { kind: 'external', value: 'org_1' } as const
    const again = addAlias({ ...ground.parts, registry: late }, 'acme', alias, 'test')
    await expect(again).rejects.toMatchObject({ code: 'revision_conflict' })
    await expect(late.commit({ audit }, [])).rejects.toMatchObject({ code: 'revision_conflict' })
    expect((await ground.tenant('acme')).labels).toEqual({ by: 'others' })
    const present = await on()
    for (const by of ['us', 'us again']) await decideTenant(present, 'acme', () => label(by))
    expect((await ground.tenant('acme')).labels).toEqual({ by: 'us again' })
  })
})

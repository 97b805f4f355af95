import { describe, expect, it } from 'vitest'
import { logins } from '../../../src/lifecycle/doctor/checks/logins.ts'
import { diagnose, diagnoseAndFix } from '../../../src/lifecycle/doctor/doctor.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { LifecycleGround } from '../ground.ts'
import { fleetOn } from './faults.ts'
import { linesOf, lookOf, overwrite, troubles } from './patient.ts'

describe('doctor --fix', () => {
  it('goes on with what was abandoned, shuts what is open, and changes nothing else', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const fleet = await fleetOn(ground)
    await abandonProvisioning(ground, 'late')
    const rolesBefore = await rolesOf(ground)
    await ground.server.execute(
      `alter role ${fleet.hooli.role} login; alter role ${fleet.acme.database}_b login;
       alter role ${fleet.acme.role} connection limit 2;
       grant connect on database ${fleet.globex.database} to public`,
    )
    const fixed = await diagnoseAndFix(ground.parts, {}, 'test')
    const done = fixed.repaired.map(({ finding, error }) => `${finding.check} ${finding.subject} ${error}`)
    expect(done.toSorted()).toEqual(
      [
        'budgets tenant acme null',
        'doors tenant globex null',
        'logins tenant acme null',
        'logins tenant hooli null',
        'operations tenant late null',
      ].toSorted(),
    )
    expect((await ground.tenant('late')).status).toBe('active')
    expect(linesOf(troubles(fixed))).toEqual([])
    const late = (await ground.tenant('late')).route.database
    const others = (roles: Map<string, string>) => [...roles].filter(([name]) => !name.startsWith(late))
    expect(others(await rolesOf(ground))).toEqual(others(rolesBefore))
    const databases = await ground.server.query<{ name: string }>('select datname as name from pg_database')
    for (const id of ['acme', 'globex', 'hooli', 'late'])
      expect(databases.map(({ name }) => name)).toContain((await ground.tenant(id)).route.database)
  })

  it('leaves a tenant alone that was changed since it was looked at', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const { database } = (await ground.tenant('acme')).route
    await ground.server.execute(`alter role ${database}_b login`)
    await lookOf(ground, async (look) => {
      const [found] = await logins.run(look)
      await overwrite(ground, 'tenant', 'acme', (tenant) => ({ ...tenant, labels: { plan: 'pro' } }))
      await expect(found?.repair?.(ground.parts, 'test')).rejects.toMatchObject({ code: 'revision_conflict' })
    })
    const [role] = await ground.server.query<{ open: boolean }>(
      'select rolcanlogin as open from pg_roles where rolname = $1',
      [`${database}_b`],
    )
    expect(role).toEqual({ open: true })
  })
})

/** As if the process that was at it had been killed after its second step. */
async function abandonProvisioning(ground: LifecycleGround, id: string): Promise<void> {
  const onStep = ({ name }: { name: string }) => {
    if (name === 'database') throw new Error('the process ends here')
  }
  await expect(provisionTenant({ ...ground.parts, onStep }, { id }, 'test')).rejects.toThrow('ends here')
  const { operation } = await ground.tenant(id)
  await overwrite(ground, 'tenant', id, (tenant) => ({ ...tenant, status: 'provisioning' }))
  await overwrite(ground, 'operation', operation ?? '', (record) => ({
    ...record,
    state: 'running',
    holder: null,
  }))
  const before = await diagnose(ground.parts, {})
  expect(linesOf(before.findings).join('\n')).toMatch(
    new RegExp(
      `operations warning tenant ${id}: Operation ${operation} \\(provision\\) stopped after step roles`,
    ),
  )
}

/** Roles of ours, and all that can be set of them. */
async function rolesOf(ground: LifecycleGround): Promise<Map<string, string>> {
  const rows = await ground.server.query<{ name: string; role: string }>(
    `select rolname as name, format('%s %s %s connection limit: %s %s', rolcanlogin, rolsuper, rolcreatedb, rolconnlimit, rolconfig) as role
       from pg_roles r where pg_has_role($1, r.oid, 'MEMBER') order by 1`,
    [ground.admin.role],
  )
  return new Map(rows.map(({ name, role }) => [name, role]))
}

import { describe, expect, it } from 'vitest'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { deleteTenant } from '../../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant } from '../../../src/lifecycle/delete/purge-tenant.ts'
import { undeleteTenant } from '../../../src/lifecycle/delete/undelete-tenant.ts'
import { diagnose, diagnoseAndFix } from '../../../src/lifecycle/doctor/doctor.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../../src/lifecycle/provision/spare/make-spares.ts'
import { startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { rotateTenant } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { resumeTenant } from '../../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { linesOf, troubles } from './patient.ts'

const SCHEMA = 'create table projects (name text)'
const NO_WAITS = { hearMs: 0, drainMs: 0 }

/** Whatever verbs of ours leave behind must look right to the doctor. */
const VERBS: Record<string, (ground: LifecycleGround) => Promise<unknown>> = {
  'a template': async ({ parts }) =>
    (await startTemplate(parts, { name: 'v1', schema: SCHEMA }, 'test')).result,
  spares: async ({ parts }) =>
    (await startSpares(parts, 'main', { count: 2, template: 'v1' }, 'test')).result,
  'a tenant of a template': ({ parts }) => provisionTenant(parts, { id: 'acme', template: 'v1' }, 'test'),
  'a tenant of its own schema': ({ parts }) =>
    provisionTenant(parts, { id: 'globex', schema: SCHEMA }, 'test'),
  'a rotation': ({ parts }) => rotateTenant(parts, 'globex', NO_WAITS, 'test'),
  'a login for a person': ({ parts }) => issueCredential(parts, 'acme', {}, 'test'),
  'a suspension': ({ parts }) => suspendTenant(parts, 'acme', {}, 'test'),
  'its end': ({ parts }) => resumeTenant(parts, 'acme', 'test'),
  'an adoption': async (ground) => {
    const [role, name] = [randomName('app'), randomName('db')]
    const dsnOf = await ground.foreign(role, [name])
    await ground.server.execute(`grant ${role} to ${ground.admin.role}`)
    await registerTenant(ground.parts, { id: 'initech', route: { dsn: dsnOf(name) } }, 'test')
    await adoptTenant(ground.parts, 'initech', {}, 'test')
    // As long as its database was open, nobody else was isolated.
    expect((await diagnoseAndFix(ground.parts, {}, 'test')).repaired).toHaveLength(2)
  },
  'its confirmation': ({ parts }) =>
    adoptTenant(parts, 'initech', { confirm: true, lockOldRole: true }, 'test'),
  'a deletion': ({ parts }) => deleteTenant(parts, 'globex', { confirm: 'globex' }, 'test'),
  'its end by undelete': ({ parts }) => undeleteTenant(parts, 'globex', 'test'),
  'a purge': async ({ parts }) => {
    for (const id of ['globex', 'initech']) {
      await deleteTenant(parts, id, { confirm: id }, 'test')
      await purgeTenant(parts, id, { confirm: id, now: true }, 'test')
    }
  },
}

export function describeWholeFleet(version: 15 | 18): void {
  describe(`the doctor on Postgres ${version}`, () => {
    it('finds nothing wrong after any verb of ours', async () => {
      await using ground = await LifecycleGround.withServer(version)
      for (const [name, verb] of Object.entries(VERBS)) {
        await verb(ground)
        expect([name, linesOf(troubles(await diagnose(ground.parts, {})))]).toEqual([name, []])
      }
    })
  })
}

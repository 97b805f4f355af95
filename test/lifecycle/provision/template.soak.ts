import { expect, it } from 'vitest'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { LifecycleGround } from '../ground.ts'

/** Not among the quick ones: the server itself waits five seconds for the session to go. */
it('a session in a template, which somebody opened by hand, keeps tenants from being made, and that is said', async () => {
  await using ground = await LifecycleGround.withServer(18)
  const template = { name: 'v1', schema: 'create table notes (body text)' }
  const { database } = await (await startTemplate(ground.parts, template, 'test')).result
  await ground.server.execute(`alter database ${database} allow_connections true`)
  const sitting = await ground.server.connect(database)
  const make = () => provisionTenant(ground.parts, { id: 'acme', template: 'v1' }, 'test')
  await expect(make()).rejects.toThrow(
    `Somebody is connected to database ${database} of template v1: as long as a session is in a template, no tenant can be made`,
  )
  await sitting.end()
  expect((await make()).tenant).toMatchObject({ status: 'active', schemaVersion: 'v1' })
})

import { expect, it } from 'vitest'
import { issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { targetOf } from '../../../src/registry/route.ts'
import { hasJava, type Login, loginByPgjdbc } from '../../support/pgjdbc/pgjdbc.ts'
import { LifecycleGround } from '../ground.ts'

/** Those of a person, and the router's own, whose verifier has one iteration. */
async function logins(ground: LifecycleGround): Promise<[Login, Login]> {
  const parts = { ...ground.parts, scramIterations: 1 }
  await provisionTenant(parts, { id: 'acme' }, 'test')
  const { dsn } = await issueCredential(parts, 'acme', {}, 'carol')
  const { host, pathname, username, password } = new URL(dsn.reveal())
  const tenant = await ground.tenant('acme')
  const server = await ground.registry.find('server', 'main')
  if (!server) throw new Error('the server is not on record')
  const own = targetOf(tenant, server.record, parts.sealer, parts.registry.id)
  const address = `${host}${pathname}`
  return [
    { address, user: username, password: decodeURIComponent(password) },
    { address, user: own.user, password: own.password?.reveal() ?? '' },
  ]
}

async function iterationsOf({ server }: LifecycleGround, { user }: Login): Promise<string | undefined> {
  const text = `select split_part(split_part(rolpassword, '$', 2), ':', 1) as iterations from pg_authid where rolname = $1`
  const [row] = await server.query<{ iterations: string }>(text, [user])
  return row?.iterations
}

it('a driver that insists on 4,096 iterations logs in by the credential of a person, and not by a login of routers', async () => {
  await using ground = await LifecycleGround.withServer(18)
  const [person, router] = await logins(ground)
  expect([await iterationsOf(ground, person), await iterationsOf(ground, router)]).toEqual(['4096', '1'])
  // Where there is no Java, the verifiers have to do.
  if (!(await hasJava())) return
  const [first, second] = await loginByPgjdbc([person, router])
  expect(first).toBe(`in: ${person.user}`)
  expect(second).toMatch(/^out: .*iteration/i)
}, 60_000) // a Java that starts on a busy machine

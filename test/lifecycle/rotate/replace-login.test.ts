import { describe, expect, it } from 'vitest'
import { rotateTenant } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { loginOf } from './logins.ts'

interface Registered {
  readonly role: string
  readonly database: string
  readonly other: string
  readonly dsnOf: (database: string) => string
}

async function registered(ground: LifecycleGround): Promise<Registered> {
  const [role, database, other] = [randomName('role'), randomName('r'), randomName('r')]
  const dsnOf = await ground.foreign(role, [database, other])
  await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(database) } }, 'test')
  return { role, database, other, dsnOf }
}

const withPassword = (dsn: string, password: string) => dsn.replace(':pw@', `:${password}@`)

describe('rotating a registered tenant', () => {
  it('takes the password that its owner has set, after it has used it, and says what it leaves alone', async () => {
    await using ground = await LifecycleGround.start(18)
    const { role, database, dsnOf } = await registered(ground)
    const before = await ground.tenant('acme')
    const dsn = withPassword(dsnOf(database), 'another')
    await expect(rotateTenant(ground.parts, 'acme', { dsn }, 'test')).rejects.toMatchObject({
      code: 'login_failed',
    })
    expect(await ground.tenant('acme')).toEqual(before)
    await ground.server.execute(`alter role ${role} password 'another'`)
    const rotated = await rotateTenant(ground.parts, 'acme', { dsn }, 'test')
    expect(rotated).toMatchObject({
      from: role,
      to: role,
      caveat: expect.stringMatching(/owner’s to change/),
    })
    expect(await ground.tenant('acme')).toMatchObject({
      epoch: 2,
      identity: before.identity,
      route: { role, slot: null },
    })
    expect((await loginOf(ground, 'acme')).password).toBe('another')
    await (await ground.connect('acme')).end()
  })

  it('takes another role, and looks at what that one reaches', async () => {
    await using ground = await LifecycleGround.start(18)
    const { database } = await registered(ground)
    const role = randomName('other')
    const dsn = (await ground.foreign(role, []))(database)
    expect((await ground.tenant('acme')).isolation?.findings.join()).toMatch(/owns database/)
    await rotateTenant(ground.parts, 'acme', { dsn }, 'test')
    const { route, isolation } = await ground.tenant('acme')
    expect(route.role).toBe(role)
    expect(isolation?.findings.join()).not.toMatch(/owns database/)
  })

  it.each([
    [
      'another database',
      ({ dsnOf, other }: Registered) => dsnOf(other),
      'precondition_failed',
      /another database/,
    ],
    [
      'another address',
      ({ dsnOf, database }: Registered) => dsnOf(database).replace('127.0.0.1', 'localhost'),
      'precondition_failed',
      /another address/,
    ],
    ['nothing', () => undefined, 'invalid_request', /is its owner's/],
  ])('is refused where %s is given', async (_, dsnFor, code, message) => {
    await using ground = await LifecycleGround.start(18)
    const dsn = dsnFor(await registered(ground))
    const rotating = rotateTenant(ground.parts, 'acme', dsn === undefined ? {} : { dsn }, 'test')
    await expect(rotating).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect((await ground.tenant('acme')).epoch).toBe(1)
  })

  it('is refused where the database is another one of the same name by now', async () => {
    await using ground = await LifecycleGround.start(18)
    const { role, database, dsnOf } = await registered(ground)
    await ground.server.dropDatabase(database)
    await ground.server.createDatabase(database, { owner: role })
    const rotating = rotateTenant(ground.parts, 'acme', { dsn: dsnOf(database) }, 'test')
    await expect(rotating).rejects.toThrow(/its database oid is another/)
  })
})

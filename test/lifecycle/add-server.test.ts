import { describe, expect, it } from 'vitest'
import { AddServer, addServer } from '../../src/lifecycle/server/add-server.ts'
import { listServers } from '../../src/lifecycle/server/server-view.ts'
import { LifecycleGround, randomName } from './ground.ts'

describe.each([15, 18] as const)('adding a server that runs Postgres %i', (version) => {
  it('measures what it can give, keeps its admin under the admin key, and says who may enter', async () => {
    await using ground = await LifecycleGround.start(version)
    const added = await addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn }, 'test')
    // 200, less 3 for superusers, less 3 of headroom; 70 % of that
    expect(added).toMatchObject({
      created: true,
      capacity: { version, maxConnections: 200, usable: 197 },
      server: { admin: ground.admin.role, tls: 'disable', budget: { maxConnections: 135, headroom: 3 } },
    })
    expect(added.warnings.join()).toMatch(/database postgres.*REVOKE CONNECT/)
    const sealed = (await ground.registry.find('server', 'main'))?.record.admin?.password
    const binding = { registry: ground.registry.id, subject: 'main', generation: 0, field: 'admin.password' }
    if (!sealed) throw new Error('no password was kept')
    expect(ground.parts.adminSealer?.open(sealed, binding).reveal()).toBe('pw')
    expect(() => ground.parts.sealer.open(sealed, binding)).toThrow(/master key/)
  })
})

describe('adding a server', () => {
  const refused = { code: 'precondition_failed' }

  it('keeps the name of a password provider, where nothing is provisioned', async () => {
    await using ground = await LifecycleGround.start(18)
    const wanted = { id: 'main', dsn: ground.admin.dsn, passwordProvider: 'iam' }
    await expect(addServer(ground.parts, wanted, 'test')).rejects.toMatchObject(refused)
    await addServer(ground.parts, { ...wanted, provision: false }, 'test')
    const entry = await ground.registry.find('server', 'main')
    expect(entry?.record).toMatchObject({ passwordProvider: 'iam', admin: null })
  })

  it('refuses a superuser, and logins that cannot make databases and roles', async () => {
    await using ground = await LifecycleGround.start(18)
    const superuser = addServer(ground.parts, { id: 'main', dsn: ground.server.dsn() }, 'test')
    await expect(superuser).rejects.toThrow(/is a superuser/)
    await ground.server.execute(`alter role ${ground.admin.role} nocreatedb nocreaterole`)
    const weak = addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn }, 'test')
    await expect(weak).rejects.toThrow(/lacks CREATEDB, lacks CREATEROLE/)
    expect(await listServers(ground.registry)).toEqual([])
  })

  it.each([
    [{ maxConnections: 195 }, /194 is the most/],
    [{ maxConnections: 150, headroom: 48 }, /149 is the most/],
  ])('refuses the impossible sum %j', async (budget, why) => {
    await using ground = await LifecycleGround.start(18)
    const attempt = addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn, ...budget }, 'test')
    await expect(attempt).rejects.toThrow(why)
  })

  it('refuses an admin with fewer connections than the headroom', async () => {
    await using ground = await LifecycleGround.start(18)
    await ground.server.execute(`alter role ${ground.admin.role} connection limit 2`)
    const attempt = addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn }, 'test')
    await expect(attempt).rejects.toThrow(/CONNECTION LIMIT of 2/)
  })

  it('forgets the login where nothing is to be provisioned', async () => {
    await using ground = await LifecycleGround.start(18)
    const parts = { ...ground.parts, adminSealer: undefined }
    const { server } = await addServer(
      parts,
      { id: 'main', dsn: ground.server.dsn(), provision: false },
      'test',
    )
    expect(server.admin).toBeNull()
  })

  it('needs the admin key to keep a password', async () => {
    await using ground = await LifecycleGround.start(18)
    const parts = { ...ground.parts, adminSealer: undefined }
    await expect(addServer(parts, { id: 'main', dsn: ground.admin.dsn }, 'test')).rejects.toMatchObject(
      refused,
    )
  })

  it('updates a server of the same id and address, and refuses a second name or a second address', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const again = await addServer(
      ground.parts,
      { id: 'main', dsn: ground.admin.dsn, maxConnections: 20 },
      'test',
    )
    expect(again).toMatchObject({ created: false, server: { budget: { maxConnections: 20 } } })
    await expect(addServer(ground.parts, { id: 'other', dsn: ground.admin.dsn }, 'test')).rejects.toThrow(
      /on record as main/,
    )
    const elsewhere = ground.admin.dsn.replace('127.0.0.1', 'localhost')
    await expect(addServer(ground.parts, { id: 'main', dsn: elsewhere }, 'test')).rejects.toMatchObject({
      code: 'already_exists',
    })
  })

  it('names the parameter of a DSN that it cannot honour, and repeats nothing of the DSN', async () => {
    await using ground = await LifecycleGround.start(18)
    for (const query of ['sslmode=bogus', 'sslmode=prefer', 'bogus=1']) {
      const dsn = `postgres://u:canary@127.0.0.1:1/db?${query}`
      const error = await addServer(ground.parts, { id: 'main', dsn }, 'test').catch(String)
      expect(error).toMatch(/InvalidDsnError.*(sslmode|bogus)/)
      expect(error).not.toMatch(/canary/)
    }
  })

  it('refuses inputs that it does not know', () => {
    expect(AddServer.safeParse({ id: randomName('S'), dsn: 'x' }).success).toBe(false)
    expect(AddServer.safeParse({ id: 'main', dsn: 'x', endpoints: [] }).success).toBe(false)
  })
})

import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LifecycleGround, randomName } from '../lifecycle/ground.ts'
import { Terminal } from './terminal.ts'

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe('tenantry init', () => {
  it('writes keys and settings that only their owner can read, and never writes over them', async () => {
    await using ground = await LifecycleGround.start(18)
    const folder = join(ground.folder, 'new')
    const terminal = new Terminal()
    expect((await terminal.run(['init', folder])).code).toBe(0)
    const files = ['tenantry.env', 'tenantry-master.key', 'tenantry-admin.key'].map((name) =>
      join(folder, name),
    )
    expect(files.map(mode)).toEqual(['600', '600', '600'])
    const before = files.map((file) => readFileSync(file, 'utf8'))
    const again = await terminal.run(['init', folder])
    expect(again).toMatchObject({ code: 2, err: expect.stringMatching(/never overwritten/) })
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(before)
    const [, master, admin] = before
    expect(master).not.toBe(admin)
    expect(terminal.said).not.toContain(master?.trim())
    const listed = await terminal.run(['tenant', 'list', '--env-file', files[0] ?? ''])
    expect(listed.code).toBe(0)
  })
})

describe('the verbs', () => {
  it('make a tenant from nothing but a server, and take it through its life', async () => {
    await using ground = await LifecycleGround.start(18)
    const terminal = new Terminal()
    await terminal.run(['init', ground.folder])
    const common = ['--env-file', join(ground.folder, 'tenantry.env')]
    const run = (...args: string[]) => terminal.run([...args, ...common])
    const schema = join(ground.folder, 'schema.sql')
    writeFileSync(schema, 'create table projects (name text)')

    const added = await terminal.run(
      ['server', 'add', 'main', '--dsn-file', '-', ...common],
      ground.admin.dsn,
    )
    expect(added).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^main added: Postgres 18, 135 connections/),
    })
    expect(added.err).not.toContain('holds a password')
    expect((await run('server', 'list')).out).toMatch(/main +127\.0\.0\.1:\d+ +disable/)

    const created = await run('tenant', 'create', 'acme', '--schema', schema, '--label', 'plan=pro')
    expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^acme created: database t_/) })
    const again = await run('tenant', 'create', 'acme', '--schema', schema)
    expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/nothing was changed/) })
    expect((await run('tenant', 'list', '--label', 'plan=pro', '--status', 'active')).out).toMatch(
      /^acme +active/m,
    )
    expect((await run('tenant', 'list', '--label', 'plan=free')).out).not.toMatch(/acme/)
    const [database = ''] = /t_[a-z2-7]{26}/.exec(created.out) ?? []
    expect((await run('tenant', 'list', '--database', database)).out).toMatch(/^acme +active/m)
    expect((await run('tenant', 'list', '--role', database)).out).not.toMatch(/acme/)

    const suspended = await run('tenant', 'suspend', 'acme', '--reason', 'unpaid')
    expect(suspended.out).toMatch(/^acme suspended: the database refuses its logins/)
    const shown = JSON.parse((await run('tenant', 'show', 'acme', '--json')).out)
    expect(shown).toMatchObject({ id: 'acme', status: 'suspended', statusReason: 'unpaid' })
    expect(JSON.stringify(shown)).not.toMatch(/password|ciphertext/)
    expect((await run('tenant', 'resume', 'acme')).out).toBe('acme is active')

    const key = await run('key', 'create', '--tenant', 'acme', '--expires', '90d', '--name', 'ci')
    expect(key.out).toMatch(/^tk_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/)
    const id = key.out.split('_')[1] ?? ''
    expect((await run('key', 'list')).out).toMatch(new RegExp(`^${id} +tenant:acme +ci +20.* +valid$`, 'm'))
    expect((await run('key', 'revoke', id)).out).toBe(`${id} revoked`)
    expect((await run('key', 'list', '--tenant', 'acme')).out).toMatch(/ revoked$/m)
    expect(terminal.said.split(key.out)).toHaveLength(2)
  })

  it('register a database by a DSN, dry first, and say what is not isolated', async () => {
    await using ground = await LifecycleGround.start(15)
    const terminal = new Terminal()
    await terminal.run(['init', ground.folder])
    const common = ['--env-file', join(ground.folder, 'tenantry.env')]
    const [name, role] = [randomName('Acme-Prod'), randomName('role')]
    const dsnOf = await ground.foreign(role, [name])
    const register = ['tenant', 'register', 'acme', '--dsn', dsnOf(name), ...common]
    const dry = await terminal.run([...register, '--dry-run'])
    expect(dry).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^acme can be registered: database "Acme-Prod/),
    })
    expect((await terminal.run(['tenant', 'show', 'acme', ...common])).code).toBe(1)
    const done = await terminal.run(register)
    expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/^acme registered: .*Postgres 15$/) })
    expect(done.err).toMatch(new RegExp(`not isolated: role ${role} owns database`))
    expect((await terminal.run(register)).code).toBe(1)

    const [server] = JSON.parse((await terminal.run(['server', 'list', '--json', ...common])).out)
    const accept = () => terminal.run(['server', 'accept', server.id, ...common])
    expect(await accept()).toMatchObject({ code: 0, out: expect.stringContaining('1 tenants, 0 changed') })
    await ground.server.execute(`alter role ${role} nologin`)
    expect(await accept()).toMatchObject({
      code: 1,
      out: expect.stringContaining('1 not accepted'),
      err: expect.stringContaining(`not accepted: acme: The server does not let role ${role} into`),
    })
  })
})

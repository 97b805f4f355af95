import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { Terminal } from './terminal.ts'

describe('the verbs of provisioning', () => {
  it('keep a template and spares, place a tenant by region with what its plan says, and drain a server', async () => {
    await using ground = await LifecycleGround.start(18)
    const terminal = new Terminal()
    await terminal.run(['init', ground.folder])
    const common = ['--env-file', join(ground.folder, 'tenantry.env')]
    const run = (...args: string[]) => terminal.run([...args, ...common])
    const schema = join(ground.folder, 'tables.sql')
    writeFileSync(schema, 'create table projects (name text)')
    await terminal.run(
      ['server', 'add', 'main', '--label', 'region=eu', '--dsn-file', '-', ...common],
      ground.admin.dsn,
    )

    const template = ['template', 'create', 'v42', '--schema', schema]
    expect((await run(...template)).out).toMatch(/^template v42 made: database t_\S+ on server main$/)
    expect((await run(...template)).out).toMatch(/nothing was changed/)
    expect((await run('template', 'list')).out).toMatch(/^v42 +main +t_\S+ +ready$/m)
    const spares = await run('server', 'spares', 'main', '--count', '1', '--template', 'v42')
    expect(spares.out).toBe('main: 1 spare databases are ready (1 made, 0 dropped)')

    const plan = ['--region', 'eu', '--template', 'v42', '--set', 'work_mem=8MB', '--extension', 'citext']
    const created = await run('tenant', 'create', 'acme', ...plan)
    expect(created).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^acme created: .*\non main, since it is the only one that can take the tenant$/,
      ),
    })
    expect(JSON.parse((await run('tenant', 'show', 'acme', '--json')).out)).toMatchObject({
      schemaVersion: 'v42',
    })
    expect((await run('tenant', 'create', 'other', '--region', 'us')).err).toMatch(
      /main is not labelled region=us/,
    )
    expect(await run('tenant', 'create', 'other', '--extension', 'dblink')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/"dblink" is not one of the extensions/),
    })

    expect((await run('server', 'drain', 'main')).out).toBe('main drains: no new tenants are made there')
    const refused = await run('tenant', 'create', 'other', '--server', 'main')
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/tenantry server undrain main/) })
    expect((await run('server', 'undrain', 'main')).out).toBe('main takes new tenants')
    expect((await run('server', 'spares', 'main', '--count', '0')).code).toBe(0)
    expect(await run('template', 'drop', 'v42')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--yes v42/),
    })
    expect((await run('template', 'drop', 'v42', '--yes', 'v42')).out).toBe(
      'template v42 is gone from server main',
    )
    expect(await run('server', 'spares', 'main', '--count', 'many')).toMatchObject({ code: 2 })
  })
})

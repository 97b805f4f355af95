import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { AdoptGround } from '../lifecycle/adopt/adopt-ground.ts'
import { Terminal } from './terminal.ts'

describe('tenantry tenant adopt', () => {
  it('shows what it would do, wants the name typed, adopts and undoes', async () => {
    await using world = await AdoptGround.start(18)
    const { database, role, owner } = await world.register()
    const { folder, keys } = world.ground
    const terminal = new Terminal({
      TENANTRY_REGISTRY_URL: `file:${join(folder, 'registry.yaml')}`,
      TENANTRY_MASTER_KEY: keys.master.reveal(),
      TENANTRY_ADMIN_KEY: keys.admin.reveal(),
    })
    const run = (...args: string[]) => terminal.run(['tenant', 'adopt', 'acme', ...args])
    const shown = await run()
    expect(shown).toMatchObject({
      code: 2,
      err: expect.stringContaining('tenantry tenant adopt acme --yes acme'),
    })
    expect(shown.out).toContain(
      `acme: database ${JSON.stringify(database)} of ${owner} on server main, Postgres 18`,
    )
    expect(shown.out).toMatch(
      /^ {2}\d\. REVOKE TEMPORARY, CONNECT ON DATABASE .* FROM PUBLIC\n {5}→ .* lose/m,
    )
    const dry = await run('--dry-run')
    const roles = shown.out.split('\n').find((line) => line.includes('CREATE ROLE')) ?? 'none'
    expect(dry).toMatchObject({ code: 0, err: '', out: expect.stringContaining(roles) })
    expect((await run('--yes', 'globex')).code).toBe(2)
    expect((await run('--undo', '--confirm', '--yes', 'acme')).code).toBe(2)
    expect((await world.ground.tenant('acme')).origin).toBe('registered')

    const adopted = await run('--yes', 'acme')
    expect(adopted).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^acme adopted: database .*, as role t_.*_a$/m),
    })
    expect((await run('--undo')).code).toBe(2)
    const undone = await run('--undo', '--hear', '0s', '--yes', 'acme', '--json')
    expect(JSON.parse(undone.out)).toMatchObject({ did: 'undone', tenant: { origin: 'registered', role } })

    await world.ground.server.execute(
      `revoke ${pg.escapeIdentifier(owner)} from ${pg.escapeIdentifier(world.ground.admin.role)}`,
    )
    const blocked = await run('--dry-run')
    expect(blocked).toMatchObject({ code: 1, err: expect.stringMatching(/in the way: .*\n {2}→ GRANT /) })
  })
})

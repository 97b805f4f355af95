import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { Terminal } from './terminal.ts'

/** A terminal with a tenant `acme` behind it. */
async function withAcme(ground: LifecycleGround) {
  const terminal = new Terminal()
  await terminal.run(['init', ground.folder])
  const common = ['--env-file', join(ground.folder, 'tenantry.env')]
  await terminal.run(['server', 'add', 'main', '--dsn-file', '-', ...common], ground.admin.dsn)
  const run = (...args: string[]) => terminal.run(['tenant', ...args, ...common])
  expect((await run('create', 'acme')).code).toBe(0)
  return { run, typing: (typed: string | undefined) => terminal.answering(() => typed) }
}

describe('tenant delete, undelete and purge', () => {
  it('want the name typed, and take a tenant away, back, and for ever', async () => {
    await using ground = await LifecycleGround.start(18)
    const { run, typing } = await withAcme(ground)
    expect(await run('delete', 'acme')).toMatchObject({
      code: 2,
      err: expect.stringContaining('give --yes acme'),
    })
    expect((await run('delete', 'acme', '--yes', 'globex')).code).toBe(2)
    typing('acne')
    expect((await run('delete', 'acme')).code).toBe(2)
    typing(' acme\n')
    const deleted = await run('delete', 'acme', '--grace', '7d')
    expect(deleted).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^acme deleted: the database refuses/),
    })
    expect(deleted.out).toContain('tenantry tenant undelete acme')
    const early = await run('purge', 'acme', '--yes', 'acme')
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining('--now') })
    expect((await run('undelete', 'acme')).out).toBe('acme is active')
    expect((await run('delete', 'acme', '--yes', 'acme', '--grace', '0d')).code).toBe(0)
    expect((await run('purge', '--expired', '--dry-run')).out).toMatch(
      /^acme: due since 20.*\n1 tenants to purge$/,
    )
    expect(await run('purge', 'acme', '--server-gone', '--yes', 'acme')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/Server main answers: it is not gone/),
    })
    const purged = await run('purge', 'acme', '--yes', 'acme')
    expect(purged.code).toBe(0)
    expect(purged.out).toMatch(/^acme of generation \d+ purged:\n {2}sessions {4}gone/)
    expect(purged.out).toMatch(
      /^ {2}database {4}gone \(1\) {2}Database t_[a-z2-7]{26} is not on server main\.$/m,
    )
    expect((await run('show', 'acme')).code).toBe(1)
    expect((await run('purge', '--expired')).out).toBe('0 of 0 tenants purged')
  })

  it.each([
    ['purge'],
    ['purge', 'acme', '--expired'],
    ['purge', '--expired', '--now'],
    ['purge', '--expired', '--yes', 'acme'],
    ['purge', '--expired', '--server-gone'],
    ['purge', 'acme', '--dry-run', '--yes', 'acme'],
    ['delete', 'acme', '--yes', 'acme', '--grace', 'soon'],
    ['delete', 'acme', '--yes', 'acme', '--grace', '7'],
    ['delete'],
  ])('are misused by: tenant %s %s %s %s', async (...args) => {
    const { code, err } = await new Terminal().run([
      'tenant',
      ...args.filter(Boolean),
      '--registry',
      'file:/nowhere',
    ])
    expect([code, err]).toEqual([2, expect.stringMatching(/give|go(es)? with|must be|missing required/)])
  })
})

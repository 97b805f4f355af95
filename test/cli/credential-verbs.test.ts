import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import { LifecycleGround, sqlstateOf } from '../lifecycle/ground.ts'
import { type Ran, Terminal } from './terminal.ts'

interface Ready {
  readonly terminal: Terminal
  readonly masterKey: string
  readonly run: (...args: string[]) => Promise<Ran>
}

async function ready(ground: LifecycleGround, ...tenants: string[]): Promise<Ready> {
  const terminal = new Terminal()
  await terminal.run(['init', ground.folder])
  const common = ['--env-file', join(ground.folder, 'tenantry.env')]
  const run = (...args: string[]) => terminal.run([...args, ...common])
  await terminal.run(['server', 'add', 'main', '--dsn-file', '-', ...common], ground.admin.dsn)
  for (const id of tenants) expect((await run('tenant', 'create', id)).code).toBe(0)
  return { terminal, run, masterKey: join(ground.folder, 'tenantry-master.key') }
}

const asks = async (dsn: string) => {
  const client = new pg.Client(dsn.replace('?sslmode=disable', ''))
  await client.connect()
  await client.end()
}

describe('tenantry tenant rotate', () => {
  it('rotates one, or each that is selected, and tells of each', async () => {
    await using ground = await LifecycleGround.start(18)
    const { run } = await ready(ground, 'acme', 'globex')
    const one = await run('tenant', 'rotate', 'acme', '--hear', '0s')
    expect(one).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^acme rotated: its login is t_\w+_b now$/),
    })
    const many = await run('tenant', 'rotate', '--all', '--hear', '0s', '--json')
    const outcomes: { tenant: string; result: { to: string } }[] = JSON.parse(many.out)
    expect(outcomes.map(({ tenant, result }) => [tenant, result.to.at(-1)])).toEqual([
      ['acme', 'a'],
      ['globex', 'b'],
    ])
    await run('tenant', 'suspend', 'acme')
    const some = await run('tenant', 'rotate', '--all', '--hear', '0s', '--continue-on-error')
    expect(some).toMatchObject({ code: 1, out: expect.stringMatching(/^globex rotated/) })
    expect(some.err).toMatch(/failed: acme: .* is suspended/)
  })

  it('is refused where it is not said of whom, or what goes with it', async () => {
    await using ground = await LifecycleGround.start(18)
    const { run } = await ready(ground)
    const refused: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /say which tenants/],
      [['acme', '--all'], /not both/],
      [['--all', '--dsn', 'postgres://u@h/d'], /one tenant’s/],
      [['acme', '--drain', 'long'], /--drain must be/],
    ]
    for (const [args, why] of refused) {
      expect(await run('tenant', 'rotate', ...args)).toMatchObject({
        code: 2,
        err: expect.stringMatching(why),
      })
    }
  })
})

describe('tenantry tenant credentials', () => {
  it('prints a connection string once, lists and revokes', async () => {
    await using ground = await LifecycleGround.start(18)
    const { run, terminal } = await ready(ground, 'acme')
    const made = await run('tenant', 'credentials', 'acme', '--read-only', '--valid-for', '2h')
    expect(made).toMatchObject({ code: 0, err: expect.stringMatching(/_h1 reads until .* only time/) })
    const dsn = made.out
    await asks(dsn)
    const role = new URL(dsn).username
    expect((await run('tenant', 'credentials', 'acme', '--list')).out).toMatch(
      new RegExp(`^${role} +reads +20`, 'm'),
    )
    const both = await run('tenant', 'credentials', 'acme', '--list', '--revoke', role)
    expect(both).toMatchObject({ code: 2, err: expect.stringMatching(/not two of these/) })
    expect((await run('tenant', 'credentials', 'acme', '--revoke', role)).out).toBe(
      `${role} is gone, sessions ended: 0`,
    )
    expect(await sqlstateOf(asks(dsn))).toBe('28P01')
    expect(terminal.said.split(new URL(dsn).password)).toHaveLength(2)
    // Registry and audit are in this folder.
    const files = readdirSync(ground.folder).map((name) => readFileSync(join(ground.folder, name), 'utf8'))
    expect(files.some((text) => text.includes('tenant.credentials'))).toBe(true)
    expect(files.filter((text) => text.includes(new URL(dsn).password))).toEqual([])
  })
})

describe('tenantry key rewrap', () => {
  it('takes a registry from one master key to the next', async () => {
    await using ground = await LifecycleGround.start(18)
    const { run, masterKey } = await ready(ground, 'acme')
    const old = readFileSync(masterKey, 'utf8').trim()
    const fresh = generateMasterKey().reveal()
    writeFileSync(masterKey, `${fresh},${old}`)
    const kid = (key: string) => key.split(':')[0] ?? ''
    const dry = await run('key', 'rewrap', '--dry-run')
    expect(dry.out).toContain(`master key ${kid(fresh)}: 1 values, 1 under ${kid(old)}`)
    const done = await run('key', 'rewrap')
    expect(done.out).toContain('records sealed again: 1')
    expect(done.out).toContain(`master key ${kid(fresh)}: 1 values, no other key is needed`)
    writeFileSync(masterKey, fresh)
    expect((await run('tenant', 'rotate', 'acme', '--hear', '0s')).code).toBe(0)
  })
})

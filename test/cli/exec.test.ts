import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ExecGround } from './exec-ground.ts'
import { MIGRATED, migratesFleet } from './migrated-fleet.ts'

const CLI = resolve(import.meta.dirname, '../../src/cli.ts')

let fleet: ExecGround
beforeAll(async () => {
  fleet = await ExecGround.start(['acme', 'globex', 'initech'])
})
afterAll(() => fleet[Symbol.asyncDispose]())

const sh = (options: string[], line: string) => fleet.run(['exec', ...options, '--', 'sh', '-c', line])
const inOrder = (text: string) => text.split('\n').toSorted()

describe('exec', () => {
  it('brings a fleet to one schema with the migrators that a team has, and notes it after exit code 0 only', async () => {
    expect(await migratesFleet(2)).toEqual([MIGRATED, MIGRATED])
  })

  it('gives each run the login of one tenant, by URL and by what libpq reads', async () => {
    const sql = "select current_database() || ' ' || current_user"
    const url = await sh(['--all'], `psql "$DATABASE_URL" -Atc "${sql}"`)
    const names = await sh(['--all'], `env -u DATABASE_URL psql -Atc "${sql}"`)
    const expected = [...fleet.databases].map(([id, database]) =>
      expect.stringMatching(new RegExp(`^${id} \\| ${database} role_`)),
    )
    for (const { code, out } of [url, names]) {
      expect(code).toBe(0)
      expect(inOrder(out).filter((line) => line.includes(' | '))).toEqual(expected)
    }
  })

  it('hands on nothing of ours, and shows no secret that the command says', async () => {
    const { out } = await sh(['--tenant', 'acme'], 'env; echo "url=$DATABASE_URL" >&2')
    const names = [...out.matchAll(/^acme \| (\w+)=/gm)].map(([, name = '']) => name)
    expect(names).toEqual(expect.arrayContaining(['TENANT_ID', 'DATABASE_URL', 'PGPASSWORD', 'PGSSLMODE']))
    expect(names.filter((name) => name.startsWith('TENANTRY_'))).toEqual([])
    expect(out).toContain('PGPASSWORD=***')
    expect(fleet.terminal.said).toContain('url=***')
    expect(fleet.terminal.said).not.toContain(':pw@')
  })

  it('logs in as the role that makes tables where we made the tenant, and locks that again', async () => {
    await using own = await ExecGround.start([])
    const { server, admin } = own.ground
    await own.run(['server', 'add', 'main', '--dsn-file', '-'], admin.dsn)
    await own.run(['tenant', 'create', 'made'])
    const { role, database } = JSON.parse((await own.run(['tenant', 'show', 'made', '--json'])).out)
    const sql = 'create table things (id int); select session_user'
    const { code, out } = await own.run(['exec', '--all', '--', 'psql', '-qAtc', sql])
    const migrator = `${role.slice(0, -1)}m`
    expect([code, out]).toEqual([0, expect.stringContaining(`made | ${migrator}\n`)])
    const [table] = await server.query(
      "select c.relowner::regrole::text as owner, has_table_privilege($1, c.oid, 'insert') as writes from pg_class c where relname = 'things'",
      [role],
      database,
    )
    expect(table).toEqual({ owner: expect.stringContaining('_owner'), writes: true })
    const locked = await server.query('select rolcanlogin from pg_roles where rolname = $1', [migrator])
    expect(locked).toEqual([{ rolcanlogin: false }])
  })

  it('begins no further tenant after a failure, unless it is to go on', async () => {
    const fails = 'test "$TENANT_ID" != acme'
    const stopped = await sh(['--all', '--concurrency', '1'], fails)
    expect(stopped).toMatchObject({
      code: 1,
      err: expect.stringMatching(/failed: acme: sh ended with exit code 1/),
    })
    expect(stopped.out).not.toContain('done')
    const all = await sh(['--all', '--concurrency', '1', '--continue-on-error', '--version', 'v7'], fails)
    expect(all.code).toBe(1)
    expect(await fleet.versions()).toEqual({ acme: null, globex: 'v7', initech: 'v7' })
  })

  it('answers in JSON alone where that was asked for, and the command is heard on standard error', async () => {
    const { out, err } = await sh(['--tenant', 'acme,globex', '--json'], 'echo said')
    expect(JSON.parse(out)).toMatchObject([
      { tenant: 'acme', outcome: 'done', result: { version: null } },
      { tenant: 'globex', outcome: 'done' },
    ])
    expect(inOrder(err)).toEqual(['acme | said', 'globex | said'])
  })

  it('ends a command that takes too long, with all that it began', async () => {
    const { code, err } = await sh(['--tenant', 'acme', '--timeout', '0.3'], 'sleep 60 & echo $! >&2; wait')
    expect([code, err]).toEqual([1, expect.stringMatching(/acme: sh took longer than 0.3 s/)])
    await vi.waitFor(() => expect(isRunning(Number(/^acme \| (\d+)$/m.exec(err)?.[1]))).toBe(false))
  })

  it.each([
    [['exec', '--all'], /missing required argument 'command'/],
    [['exec', '--', 'true'], /say which tenants: --tenant/],
    [['exec', '--all', '--timeout', 'soon', '--', 'true'], /timeout/],
    [['exec', '--all', '--version', 'a b', '--', 'true'], /version/],
  ])('refuses %j', async (words, why) => {
    expect(await fleet.run(words)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(why) })
  })

  it('says what cannot be run', async () => {
    const { code, err } = await fleet.run(['exec', '--tenant', 'acme', '--', '/no/such/program'])
    expect([code, err]).toEqual([1, expect.stringMatching(/cannot run \/no\/such\/program: ENOENT/)])
  })

  it('passes a signal on, begins nothing after it, and fails', async () => {
    const words = ['exec', '--all', '--concurrency', '1', '--continue-on-error', '--env-file', fleet.settings]
    const args = [
      '--import',
      import.meta.resolve('tsx'),
      CLI,
      ...words,
      '--',
      'sh',
      '-c',
      'echo $$; exec sleep 60',
    ]
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('TENANTRY_'))
    const cli = spawn(process.execPath, args, { env: Object.fromEntries(own) })
    let said = ''
    cli.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    cli.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const exited = once(cli, 'exit')
    const pid = await vi.waitFor(
      () => Number(/^acme \| (\d+)$/m.exec(said)?.[1] ?? Number.NaN) || Promise.reject(new Error(said)),
      { timeout: 40_000 },
    )
    cli.kill('SIGTERM')
    expect(await exited).toEqual([1, null])
    expect(isRunning(pid)).toBe(false)
    expect(said).toContain('stopped by SIGTERM')
    expect(said).not.toMatch(/^globex \|/m)
  }, 60_000)
})

describe('shell', () => {
  it("opens psql in the tenant's database, and says how it ended", async () => {
    const file = join(fleet.ground.folder, 'said')
    const ask = (sql: string) =>
      fleet.run(['shell', 'acme', '--', '-v', 'ON_ERROR_STOP=1', '-Ato', file, '-c', sql])
    expect((await ask('select current_database()')).code).toBe(0)
    expect(readFileSync(file, 'utf8').trim()).toBe(fleet.databases.get('acme'))
    const unset = await fleet.run(['shell', 'nobody'])
    expect([unset.code, unset.err]).toEqual([1, expect.stringContaining('not in the registry')])
  })
})

/** Dead, or a zombie that its parent has not looked at yet. */
function isRunning(pid: number): boolean {
  const stat = `/proc/${pid}/stat`
  return existsSync(stat) && !/^\d+ \(.*\) Z/.test(readFileSync(stat, 'utf8'))
}

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { diagnosisLines } from '../../src/cli/doctor.ts'
import { topLines } from '../../src/cli/pool/top.ts'
import { topScreen } from '../../src/cli/pool/top-screen.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import { screenOf } from '../../src/cli/screen.ts'
import { type ServiceWorld, startServiceWorld } from '../http/service-world.ts'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { Terminal } from './terminal.ts'

describe('with a running service', () => {
  let world: ServiceWorld
  let variables: Record<string, string>
  beforeAll(async () => {
    world = await startServiceWorld()
    await world.tenant('acme')
    const { key = '' } = world.asAdmin()
    variables = { TENANTRY_OPERATOR_KEY: key, TENANTRY_OPS_URL: world.service.opsUrl }
  })
  afterAll(() => world[Symbol.asyncDispose]())
  const run = (...args: string[]) => new Terminal(variables).run(args)

  it('warms a tenant, shows it, says why it is served, and evicts it', async () => {
    expect(await run('pool', 'warm', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^acme: a connection was opened in \d+ ms$/),
    })
    expect((await run('pool', 'warm', 'acme')).out).toBe('acme: a connection was open already')
    const top = await run('pool', 'top')
    expect(top).toMatchObject({ code: 0, out: expect.stringMatching(/^acme +\S+ +0 +0 +1 +0 +0 +\d/m) })
    expect((await run('pool', 'top', '--once', '--json')).out).toMatch(/"poolsLimit"/)
    const why = await run('why', 'acme')
    expect(why).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^acme is served: .*1 idle/) })
    expect(why.out).toMatch(/^budgets +tenant 1 of 10, /m)
    const evicted = await run('pool', 'evict', 'acme')
    expect(evicted).toMatchObject({ code: 0, out: expect.stringMatching(/^acme: 1 idle connections closed/) })
  })

  it('cancels what a tenant runs, and says what of it ended', async () => {
    const path = '/v1/query'
    const { key } = await world.tenant('slow')
    const asked = world.ask(path, { key, body: { sql: 'select pg_sleep(20)' } })
    const left = 'slow: 0 statements cancelled; 1 younger went on'
    await vi.waitFor(async () =>
      expect(await run('pool', 'cancel', 'slow', '--longer-than', '10m')).toMatchObject({
        code: 0,
        out: left,
      }),
    )
    expect((await run('pool', 'cancel', 'slow')).out).toBe('slow: 1 statement cancelled')
    expect((await asked).json).toMatchObject({ code: 'sql_error', sqlstate: '57014' })
    const unclear = await run('pool', 'cancel', 'slow', '--longer-than', 'soon')
    expect(unclear).toMatchObject({ code: 2, err: expect.stringMatching(/^error: --longer-than must be/) })
  })

  it('says what it tried of a name that is nobody’s, and what the service says of one it cannot warm', async () => {
    expect(await run('why', 'nobody')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^"nobody" names no tenant: tried as tenant id/),
      err: 'error: Nothing on record is called "nobody".',
    })
    expect(await run('pool', 'warm', 'nobody')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/answered 404: There is no such tenant/),
    })
    expect((await run('pool', 'evict', 'No!')).code).toBe(2)
  })

  it('draws the pools over and over on a terminal until it is told to stop', async () => {
    let written = ''
    let stop = () => {}
    const output = { isTTY: true, rows: 12, columns: 60, write: (text: string) => (written += text) }
    const screen = screenOf(output, {})
    if (!screen) throw new Error('no screen')
    const stopped = new Promise<void>((resolve) => {
      stop = resolve
    })
    const cli = {
      variables,
      print: () => undefined,
      note: () => undefined,
      readInput: async () => '',
      screen: { ...screen, rows: 12, columns: 60, stopped: () => stopped },
    }
    const code = runCommandLine(cli, ['pool', 'top'])
    await vi.waitFor(() => expect(written.split('connections ').length).toBeGreaterThan(1))
    stop()
    expect(await code).toBe(0)
    const [, frame = ''] = written.split('\u001b[H')
    const lines = frame.split('\u001b[K\n').slice(0, -1)
    expect(lines.length).toBeLessThan(12)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60)
    expect(written.endsWith('\u001b[?25h\u001b[?1049l')).toBe(true)
  })
})

const counts = { idle: 0, leased: 0, opening: 0, closing: 0, quarantined: 0, out: 0, limit: 1 }
const pool = (tenant: string, waiting: number, leased: number) => ({
  tenant,
  server: 'main',
  waiting,
  leased,
  idle: 0,
  opening: 0,
  closing: 0,
  quarantined: 0,
  idleMs: 0,
  serviceMs: 1,
})

describe('pool top', () => {
  it('shows those that wait first, then those that use most, and no more than fit', () => {
    const pools = [pool('idle', 0, 0), pool('busy', 0, 5), pool('waits', 2, 1)]
    const lines = topLines({ connections: counts, servers: [], pools, poolsLimit: 9, waiters: 2 }, 2)
    expect(lines.slice(-2).map((line) => line.split(' ')[0])).toEqual(['waits', 'busy'])
    expect(lines).toContain('the busiest 2 of 3 pools (--json has all)')
  })

  const many = (waiting: number) => ({
    connections: counts,
    servers: ['main', 'a-server-of-a-very-long-name-eu-central-1', 'down'].map((server) => ({
      server,
      out: 1,
      limit: 300,
      breaker: server === 'down' ? 'open' : 'closed',
    })),
    pools: Array.from({ length: 40 }, (_, n) => ({
      ...pool(`${'a-long-name-'.repeat(3)}${n}`, n === 7 ? waiting : 0, 0),
      idleMs: n * 7_000_000,
      serviceMs: n * 90,
    })),
    poolsLimit: 100,
    waiters: waiting,
  })

  it.each([
    [100, 30],
    [80, 24],
    [60, 14],
    [140, 50],
  ])('fills a screen of %d columns and %d rows, and not one more', (columns, rows) => {
    const lines = topScreen(many(1), 'top', { rows, columns })
    expect(lines.length).toBe(rows - 1)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
    const [first] = lines.slice(lines.findIndex((line) => line.startsWith('TENANT')) + 1)
    expect(first).toMatch(/^a-lon\S+( +main)? +1 +0 +0 .*630 ms +14 h$/)
    const shown = lines.filter((line) => line.startsWith('a-lon')).length
    expect(lines.at(-1)).toBe(`and ${40 - shown} more`)
    expect(lines.find((line) => line.endsWith('open'))).toMatch(/^down +1 of 300 +open$/)
  })

  it('has every column where it was a moment ago, whatever became of the numbers', () => {
    const screen = (waiting: number) => topScreen(many(waiting), 'top', { rows: 24, columns: 100 })
    const heading = screen(1).find((line) => line.startsWith('TENANT')) ?? ''
    expect(screen(99_999)).toContain(heading)
    const row = screen(99_999).find((line) => line.startsWith('a-lon')) ?? ''
    expect([row.indexOf('99999') + 5, row.length]).toEqual([heading.indexOf('WAITING') + 7, heading.length])
  })

  it('has no screen where nobody looks', () => {
    const output = { write: () => true }
    expect(screenOf(output, {})).toBeUndefined()
    expect(screenOf({ ...output, isTTY: true }, { TERM: 'dumb' })).toBeUndefined()
  })
})

describe('the doctor', () => {
  const finding = (n: number) => ({
    check: 'doors',
    severity: 'warning' as const,
    subject: `tenant t-${n}`,
    what: `Its database d_${n} lets everybody in.`,
    consequence: 'Nobody is isolated.',
    fix: `close ${n}`,
    fixable: false,
  })
  const findings = Array.from({ length: 40 }, (_, n) => finding(n))
  const other = { ...finding(0), check: 'tls', subject: 'server main' }
  const diagnosis = {
    checkedAt: new Date().toISOString(),
    servers: 1,
    tenants: 40,
    findings: [...findings.slice(0, 20), other, ...findings.slice(20)],
    counts: { error: 0, warning: 41, info: 0 },
    repaired: [],
  }

  it('tells three of those that are alike, names some and counts the others; --each tells all', () => {
    const lines = diagnosisLines(diagnosis, false)
    expect(lines.filter((line) => line.includes('[doors] Its database'))).toHaveLength(3)
    expect(lines).toContainEqual(
      expect.stringMatching(/^warning and 37 more like these \[doors\].* tenant t-3, .*t-12, …$/),
    )
    expect(lines.filter((line) => line.includes('[tls]'))).toHaveLength(1)
    expect(diagnosisLines(diagnosis, true).filter((line) => line.includes('Its database'))).toHaveLength(41)
    const few = { ...diagnosis, findings: findings.slice(0, 4) }
    expect(diagnosisLines(few, false)).toEqual(diagnosisLines(few, true))
  })
})

describe('without a service', () => {
  it('the doctor says what is wrong and ends with 1 where that is an error; --fix mends what is safe', async () => {
    await using ground = await LifecycleGround.start(18)
    const terminal = new Terminal()
    await terminal.run(['init', ground.folder])
    const common = ['--env-file', join(ground.folder, 'tenantry.env')]
    await terminal.run(['server', 'add', 'main', '--dsn-file', '-', ...common], ground.admin.dsn)
    await terminal.run(['tenant', 'create', 'acme', ...common])
    const healthy = await terminal.run(['doctor', ...common])
    expect(healthy).toMatchObject({ code: 0, out: expect.stringMatching(/^1 server, 1 tenant: 0 errors, /m) })
    const { database } = JSON.parse((await terminal.run(['tenant', 'show', 'acme', '--json', ...common])).out)
    await ground.server.execute(`grant connect on database ${database} to public`)
    const sick = await terminal.run(['doctor', '--server', 'main', ...common])
    expect(sick).toMatchObject({ code: 1, err: expect.stringContaining('error: The doctor found 1 error.') })
    expect(sick.out).toMatch(
      /^error +tenant acme \[doors\] Its database .*\n +Every role .*\n +--fix does: REVOKE ALL/,
    )
    const fixed = await terminal.run(['doctor', '--fix', ...common])
    expect(fixed).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^fixed +tenant acme: Its database .* PUBLIC/),
    })
    expect((await terminal.run(['doctor', '--timeout', 'soon', ...common])).code).toBe(2)

    const why = await terminal.run(['why', 'acme', ...common])
    expect(why).toMatchObject({ code: 0, err: expect.stringMatching(/^No service was asked/) })
    expect(why.out).toMatch(/^acme is active on record\. No running service was asked/)
    await ground.server.dropDatabase(database)
    for (const end of ['a', 'b', 'm', 'owner']) await ground.server.dropRole(`${database}_${end}`)
  })
})

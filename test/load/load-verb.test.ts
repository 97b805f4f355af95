import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readServiceSettings } from '../../src/config.ts'
import { type Service, startService } from '../../src/server.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { Terminal } from '../cli/terminal.ts'
import { LifecycleGround } from '../lifecycle/ground.ts'

/** A service that makes tenants, and the file that tells `tenantry load` about it. */
class LoadGround implements AsyncDisposable {
  readonly terminal = new Terminal()
  readonly ground: LifecycleGround
  readonly service: Service
  readonly file: string

  constructor(ground: LifecycleGround, service: Service) {
    this.ground = ground
    this.service = service
    this.file = join(ground.folder, 'service.json')
  }

  static async start(): Promise<LoadGround> {
    const ground = await LifecycleGround.start(18)
    const terminal = new Terminal()
    await terminal.run(['init', ground.folder])
    const env = join(ground.folder, 'tenantry.env')
    const common = ['--env-file', env]
    await terminal.run(['server', 'add', 'main', '--dsn-file', '-', ...common], ground.admin.dsn)
    const key = async (...scope: string[]) => (await terminal.run(['key', 'create', ...scope, ...common])).out
    const keys = { serviceKey: await key('--service'), operatorKey: await key('--operator', 'admin') }
    const ports = { TENANTRY_PORT: '0', TENANTRY_OPS_PORT: '0' }
    const settings = readServiceSettings({ ...parseEnv(readFileSync(env, 'utf8')), ...ports })
    const service = await startService(settings, { log: openLog('silent') })
    const made = new LoadGround(ground, service)
    writeFileSync(made.file, JSON.stringify({ url: service.url, opsUrl: service.opsUrl, ...keys }))
    return made
  }

  load(...args: string[]) {
    return this.terminal.run(['load', '--workers', '4', '--seconds', '1', '--warmup', '0.2', ...args])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.close()
    await this.ground[Symbol.asyncDispose]()
  }
}

describe('tenantry load', () => {
  it('makes its tenants, measures the service and finds every answer its own', async () => {
    await using ground = await LoadGround.start()
    const adminFile = join(ground.ground.folder, 'admin.dsn')
    writeFileSync(adminFile, ground.ground.server.dsn())
    const args = ['--service', ground.file, '--tenants', '3', '--create', '--postgres-file', adminFile]
    const ran = await ground.load(...args, '--json')
    expect(ran).toMatchObject({ code: 0, err: '' })
    const report: unknown = JSON.parse(ran.out)
    expect(report).toMatchObject({
      tenants: 3,
      tenantsAsked: 3,
      wrong: 0,
      errors: {},
      notToldApart: [],
      logins: { source: 'pg_stat_database.sessions' },
    })
    const tenants = await ground.ground.registry.list('tenant')
    expect(tenants.entries.map(({ id }) => id)).toEqual(['load-0001', 'load-0002', 'load-0003'])
  }, 30_000)

  it('asks those tenants that exist, and says of every figure where it comes from', async () => {
    await using ground = await LoadGround.start()
    await ground.load('--service', ground.file, '--tenants', '2', '--create')
    const ran = await ground.load('--service', ground.file)
    expect(ran).toMatchObject({ code: 0, err: '' })
    expect(ran.out).toMatch(/2 tenants \(Zipf 1\), 4 workers, 20 rows a request/)
    expect(ran.out).toMatch(/requests +\d+ in 1\.\d s = \d+ req\/s/)
    expect(ran.out).toMatch(/logins +\d+, \d+\.\d per 1,000 requests \(tenantry_pool_create_seconds_count\)/)
    expect(ran.out).toMatch(/connections +not looked at/)
    expect(ran.out).toMatch(/from the right one +all \d+ answers, of 2 tenants/)
  }, 30_000)

  it('fails where an answer comes from another database than the target says', async () => {
    await using ground = await LoadGround.start()
    await ground.load('--service', ground.file, '--tenants', '1', '--create')
    const { serviceKey: key } = JSON.parse(readFileSync(ground.file, 'utf8'))
    const targets = join(ground.ground.folder, 'targets.json')
    const tenants = { 'load-0001': 'somewhere_else', nobody: 'nowhere' }
    writeFileSync(targets, JSON.stringify({ url: ground.service.url, key, tenants }))
    const ran = await ground.load('--targets', targets)
    expect(ran.code).toBe(1)
    expect(ran.out).toMatch(/answers were NOT/)
    expect(ran.out).toMatch(/WRONG: load-0001 should answer from somewhere_else: a row of t_/)
    expect(ran.out).toMatch(/errors +tenant_unknown \d+/)
  }, 30_000)

  it.each([
    [['--workers', '0'], /workers/],
    [['--seconds', '1e9'], /seconds/],
    [['--tenants', 'many'], /tenants/],
    [['--service', '/absent.json'], /absent\.json cannot be read/],
  ])('refuses %j, and asks nothing', async (args, why) => {
    const ran = await new Terminal().run(['load', ...args])
    expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringMatching(why) })
  })
})

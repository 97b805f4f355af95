import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts'
import { EMBEDDED_VERSION } from '../../src/demo/postgres-binaries.ts'
import { rememberProcess } from '../support/started-processes.ts'

/** One for all tests: to make the data takes longer than everything else here. Each goes on from what the one before left. */
let dataDir: string
let folder: string | undefined
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tenantry-embedded-'))
})
afterEach(() => {
  vi.resetModules()
})
afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true })
  if (folder) await rm(folder, { recursive: true, force: true }) // as root it is elsewhere
})

async function start(options: { port?: number; settings?: Record<string, string> } = {}) {
  const server = await EmbeddedPostgres.start({ dataDir, durable: false, ...options })
  folder = server.folder
  rememberProcess(server.pid, server.folder)
  return server
}

async function ask(server: EmbeddedPostgres, text: string) {
  const { host, port, superuser: user, password } = server
  const client = new pg.Client({ host, port, user, password: password.reveal(), database: 'postgres' })
  await client.connect()
  const result = await client.query(text)
  await client.end()
  return result.rows
}

/** As a start after a kill -9 sees it: the server and its lock are there, their process knows nothing of them. */
async function startAfterKill(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  vi.resetModules()
  const fresh = await import('../../src/demo/embedded-postgres.ts')
  return fresh.EmbeddedPostgres.start({ dataDir, durable: false, settings })
}

describe('embedded Postgres', () => {
  it('keeps data, password and port between runs, and asks for the password', async () => {
    const first = await start()
    await ask(first, 'create table kept as select 7 as n')
    await first.stop()
    expect(first.isAlive).toBe(false)
    await using second = await start()
    expect(await ask(second, 'select n from kept')).toEqual([{ n: 7 }])
    expect([second.port, second.password.reveal()]).toEqual([first.port, first.password.reveal()])
    expect(second.port).toBeLessThan(32_768)
    const stranger = new pg.Client({
      host: second.host,
      port: second.port,
      user: 'postgres',
      password: 'no',
      database: 'postgres',
    })
    await expect(stranger.connect()).rejects.toMatchObject({ code: '28P01' })
  })

  it('recovers after a crash of the server', async () => {
    const first = await start()
    await ask(first, 'create table written as select 8 as n')
    await first.kill()
    await using second = await start()
    expect(second.adopted).toBe(false)
    expect(await ask(second, 'select n from written')).toEqual([{ n: 8 }])
  })

  it('adopts the server that a killed predecessor left running', async () => {
    const first = await start()
    await using second = await startAfterKill()
    expect(second).toMatchObject({ adopted: true, pid: first.pid, port: first.port })
    expect(await ask(second, 'select 1 as n')).toEqual([{ n: 1 }])
  })

  it('replaces such a server when other settings are asked for', async () => {
    const first = await start()
    await using second = await startAfterKill({ max_connections: '33' })
    expect(second.adopted).toBe(false)
    expect(first.isAlive).toBe(false)
    expect(await ask(second, 'show max_connections')).toEqual([{ max_connections: '33' }])
  })

  it('refuses a folder that is in use, and leaves the server alone', async () => {
    await using first = await start()
    await expect(start()).rejects.toMatchObject({ code: 'precondition_failed' })
    expect(await ask(first, 'select 1 as n')).toEqual([{ n: 1 }])
  })

  it('makes the data anew where a crash left them half made', async () => {
    const first = await start()
    await first.stop()
    await rm(join(first.folder, 'data'), { recursive: true })
    await mkdir(join(first.folder, 'data.half'))
    await writeFile(join(first.folder, 'data.half', 'PG_VERSION'), '18\n')
    await using second = await start()
    expect(await ask(second, 'select 1 as n')).toEqual([{ n: 1 }])
  })

  it('takes another port where the one asked for is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const taken = typeof address === 'object' && address ? address.port : 0
    await using server = await start({ port: taken })
    expect(server.port).not.toBe(taken)
    other.close()
  })

  it('shows what the server said when it does not start', async () => {
    await (await start()).stop()
    await expect(start({ settings: { no_such_setting: 'x' } })).rejects.toThrow(
      /unrecognized configuration parameter "no_such_setting"/,
    )
  })

  it('never runs as root, and its environment has nothing of ours', async () => {
    vi.stubEnv('PGCANARY', 'canary')
    await using server = await start()
    const { stdout } = await promisify(execFile)('ps', ['-o', 'uid=', '-p', String(server.pid)])
    expect(Number(stdout)).not.toBe(0)
    expect(await readFile(`/proc/${server.pid}/environ`, 'utf8')).not.toContain('canary')
    vi.unstubAllEnvs()
  })

  it('names the version of the binaries that package.json pins', async () => {
    const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
    expect(JSON.parse(manifest).devDependencies['embedded-postgres']).toBe(EMBEDDED_VERSION)
  })
})

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts'
import { DemoProcess } from './demo-process.ts'

const execute = promisify(execFile)
const TENANTS = ['acme', 'globex', 'initech']
const SLOW_MS = 90_000

let folder: string
let demo: DemoProcess
/** Where its data are, once it was asked. */
let postgresFolder: string
const postgres = () => EmbeddedPostgres.start({ dataDir: join(folder, '.tenantry/postgres') })

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenantry-demo-'))
})
afterAll(async () => {
  await demo.end('SIGKILL')
  const left = await postgres()
  await left.stop()
  rmSync(left.folder, { recursive: true, force: true })
  rmSync(folder, { recursive: true, force: true })
})

/** What a shell makes of a printed line, sent without curl. */
async function paste(line: string): Promise<Response> {
  const { stdout } = await execute('sh', ['-c', line.replace(/^curl -s/, "printf '%s\\n'")])
  const words = stdout.trimEnd().split('\n')
  const headers = words
    .filter((_, at) => words[at - 1] === '-H')
    .map((header) => header.split(/: (.*)/).slice(0, 2))
  const body = words.find((_, at) => words[at - 1] === '-d')
  const init = { headers: Object.fromEntries(headers), ...(body ? { method: 'POST', body } : {}) }
  return fetch(words.at(-1) ?? '', init)
}

/** A statement that takes `seconds`; resolves when it runs, with its answer to come. */
async function slowQuery({ url, opsUrl, ...card }: ReturnType<DemoProcess['card']>, seconds: number) {
  const answer = fetch(`${url}/v1/query`, {
    method: 'POST',
    headers: { authorization: `Bearer ${card.serviceKey}`, 'x-tenant-id': 'acme' },
    body: JSON.stringify({ sql: `select pg_sleep(${seconds})` }),
  })
  const headers = { authorization: `Bearer ${card.operatorKey}` }
  await vi.waitFor(async () => {
    const stats = await (await fetch(`${opsUrl}/v1/pools`, { headers })).json()
    expect(stats).toMatchObject({ connections: { leased: 1 } })
  }, 5_000)
  return { answer }
}

async function rowsOf(url: string, key: string, tenant?: string) {
  const answer = await fetch(`${url}/v1/query`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      ...(tenant ? { 'x-tenant-id': tenant } : {}),
    },
    body: JSON.stringify({
      sql: 'select p.name, t.title from projects p join tasks t on t.project_id = p.id order by t.id',
    }),
  })
  return { status: answer.status, body: await answer.text() }
}

/** Each start goes on from what the one before left; so they stand in this order. */
describe('the demo', () => {
  it(
    'starts from nothing: three tenants with rows of their own, and lines that can be pasted',
    async () => {
      demo = new DemoProcess(folder)
      const card = await demo.ready()
      expect(Object.keys(card.tenants)).toEqual(TENANTS)
      expect((statSync(join(folder, '.tenantry/demo.json')).mode & 0o777).toString(8)).toBe('600')
      expect(demo.output).toMatch(/^TENANTRY_MAX_CONNECTIONS=100 \(default\)$/m)
      const lines = demo.output.split('\n').filter((line) => line.startsWith('curl'))
      const answers = await Promise.all(lines.map(async (line) => (await paste(line)).text()))
      expect(answers).toHaveLength(5)
      expect(answers[0]).toContain('Rocket skates')
      expect(answers[1]).toContain('Weather machine')
      expect(answers[2]).toContain('Report covers')
      expect(answers[3]).toBe(answers[1])
      expect(JSON.parse(answers[4] ?? '')).toHaveProperty('pools')
      const rows = await Promise.all(TENANTS.map((id) => rowsOf(card.url, card.tenants[id]?.key ?? '')))
      expect(new Set(rows.map(({ body }) => body)).size).toBe(3)
    },
    SLOW_MS,
  )

  it(
    'takes a fourth tenant by the line that it prints',
    async () => {
      const { url, serviceKey } = demo.card()
      const line = demo.output.split('\n').find((text) => text.includes('tenant create')) ?? ''
      const verb = new DemoProcess(folder, line.split(' ').slice(2))
      expect(await verb.end()).toBe(0)
      expect(verb.output).toMatch(/^umbrella created/)
      await vi.waitFor(
        async () => expect((await rowsOf(url, serviceKey, 'umbrella')).status).toBe(200),
        5_000,
      )
      const stats = new DemoProcess(folder, ['pool', 'stats', '--env-file', '.tenantry/demo.env'])
      expect(await stats.end()).toBe(0)
      expect(stats.output).toMatch(/^umbrella +demo +0 +1 /m)
    },
    SLOW_MS,
  )

  it(
    'leaves nothing running after SIGTERM, and has the same keys and rows the next time, at other ports too',
    async () => {
      const before = demo.card()
      const rows = await rowsOf(before.url, before.serviceKey, 'acme')
      expect(await demo.end('SIGTERM')).toBe(0)
      await expect(fetch(before.url)).rejects.toThrow('fetch failed')
      const left = await postgres()
      expect(left.adopted).toBe(false)
      await left.stop()
      demo = new DemoProcess(folder, ['demo'], { TENANTRY_PORT: '0', TENANTRY_OPS_PORT: '0' })
      const card = await demo.ready()
      expect(card.url).not.toBe(before.url)
      expect({ ...card, url: '', opsUrl: '' }).toEqual({ ...before, url: '', opsUrl: '' })
      expect(await rowsOf(card.url, card.serviceKey, 'acme')).toEqual(rows)
    },
    SLOW_MS,
  )

  it(
    'takes over what a kill -9 left, and issues new keys where demo.json is lost',
    async () => {
      const before = demo.card()
      await demo.end('SIGKILL')
      rmSync(join(folder, '.tenantry/demo.json'))
      demo = new DemoProcess(folder)
      const card = await demo.ready()
      expect(card.serviceKey).not.toBe(before.serviceKey)
      expect((await rowsOf(card.url, before.serviceKey, 'acme')).status).toBe(401)
      expect((await rowsOf(card.url, card.tenants['acme']?.key ?? '')).body).toContain('Rocket skates')
      expect((await rowsOf(card.url, card.serviceKey, 'umbrella')).status).toBe(200)
    },
    SLOW_MS,
  )

  it(
    'lets a request end and stops its Postgres where one Ctrl-C comes twice, as it does below npm',
    async () => {
      const { answer } = await slowQuery(demo.card(), 1)
      demo.signal('SIGINT')
      setTimeout(() => demo.signal('SIGINT'), 5)
      expect((await answer).status).toBe(200)
      expect(await demo.end()).toBe(0)
      const left = await postgres()
      expect(left.adopted).toBe(false)
      postgresFolder = left.folder
      await left.stop()
    },
    SLOW_MS,
  )

  it(
    'ends at once by a later signal, and its Postgres with it',
    async () => {
      demo = new DemoProcess(folder)
      const { answer } = await slowQuery(await demo.ready(), 25)
      answer.catch(() => undefined)
      const ended = demo.end('SIGINT')
      const again = setInterval(() => demo.signal('SIGINT'), 50)
      expect(await ended).toBe(1)
      clearInterval(again)
      await expect(answer).rejects.toThrow('fetch failed')
      await vi.waitFor(
        () => expect(existsSync(join(postgresFolder, 'data/postmaster.pid'))).toBe(false),
        5_000,
      )
    },
    SLOW_MS,
  )

  it(
    'refuses to start on a port that is set and in use',
    async () => {
      const taken = await listen()
      const port = String(portOf(taken))
      demo = new DemoProcess(folder, ['demo'], { TENANTRY_PORT: port })
      expect(await demo.end()).toBe(1)
      expect(demo.output).toMatch(/EADDRINUSE/)
      taken.close()
      const left = await postgres()
      expect(left.adopted).toBe(false)
      await left.stop()
    },
    SLOW_MS,
  )

  it(
    'leaves a tenant suspended that its owner suspended',
    async () => {
      const verb = (name: string) =>
        new DemoProcess(folder, ['tenant', name, 'acme', '--env-file', '.tenantry/demo.env'])
      expect(await verb('suspend').end()).toBe(0)
      demo = new DemoProcess(folder)
      const card = await demo.ready()
      expect((await rowsOf(card.url, card.serviceKey, 'acme')).status).toBe(403)
      expect((await rowsOf(card.url, card.serviceKey, 'globex')).status).toBe(200)
      expect(await verb('resume').end()).toBe(0)
      expect(await demo.end('SIGTERM')).toBe(0)
    },
    SLOW_MS,
  )

  it(
    'moves to another port where the last one of Postgres is in use',
    async () => {
      const last = await postgres()
      await last.stop()
      const taken = await listen(last.port)
      demo = new DemoProcess(folder)
      const card = await demo.ready()
      expect((await rowsOf(card.url, card.serviceKey, 'umbrella')).status).toBe(200)
      expect(await demo.end('SIGTERM')).toBe(0)
      taken.close()
    },
    SLOW_MS,
  )

  it.each([
    ['the data of Postgres is', async () => rmSync(await stoppedFolder(), { recursive: true })],
    ['the keys are', loseKey],
  ])(
    'begins anew where %s lost, and says so',
    async (_, lose) => {
      await lose()
      demo = new DemoProcess(folder)
      const card = await demo.ready()
      expect(demo.output).toMatch(/^note: .* are gone: beginning anew/m)
      expect((await rowsOf(card.url, card.tenants['acme']?.key ?? '')).body).toContain('Rocket skates')
      expect(await demo.end('SIGTERM')).toBe(0)
    },
    SLOW_MS,
  )
})

/** The start that finds no key makes one, and fails before it is used. */
async function loseKey(): Promise<void> {
  rmSync(join(folder, '.tenantry/master.key'))
  const failing = new DemoProcess(folder, ['demo'], { TENANTRY_PORT: 'none' })
  expect(await failing.end()).toBe(2)
}

async function stoppedFolder(): Promise<string> {
  const server = await postgres()
  await server.stop()
  return server.folder
}

function listen(port = 0): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

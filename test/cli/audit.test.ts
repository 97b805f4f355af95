import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { followTrail } from '../../src/lifecycle/audit/follow-trail.ts'
import type { AuditView } from '../../src/lifecycle/audit/list-trail.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { audit, change, tenant } from '../registry/records.ts'
import { Terminal } from './terminal.ts'

let folder: string
let common: string[]
const run = (...args: string[]) => new Terminal().run([...args, ...common])
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tenantry-cli-audit-'))
  await new Terminal().run(['init', folder])
  common = ['--env-file', join(folder, 'tenantry.env')]
  for (const role of ['viewer', 'operator', 'admin']) {
    await run('key', 'create', '--operator', role, '--name', `\u001b[2Jof ${role}`)
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('audit tail', () => {
  it('prints the last entries, the newest at the end, and nothing that moves the cursor', async () => {
    const { code, out } = await run('audit', 'tail', '--limit', '2', '--action', 'key')
    expect(code).toBe(0)
    const lines = out.split('\n')
    expect(lines.map((line) => /#(\d+) .*"name":"(.*?)of (\w+)"/.exec(line)?.slice(1))).toEqual([
      ['2', '\\u001b[2J', 'operator'],
      ['3', '\\u001b[2J', 'admin'],
    ])
    expect(out).not.toContain('\u001b')
  })

  it('answers in JSON', async () => {
    const { out } = await run('audit', 'tail', '--json', '--limit', '1')
    expect(JSON.parse(out)).toMatchObject({
      entries: [{ link: 3, action: 'key.create' }],
      next: expect.any(String),
    })
  })

  it.each([
    [['--since', 'yesterday'], /date and time as 2026/],
    [['--limit', '0'], /limit/],
    [['--limit', 'x'], /limit/],
  ])('ends %j with 2', async (args, err) => {
    expect(await run('audit', 'tail', ...args)).toMatchObject({ code: 2, err: expect.stringMatching(err) })
  })

  it('follows what is written, whoever writes it, and ends when it is told to', async () => {
    const path = join(folder, 'followed.yaml')
    await using registry = await FileRegistry.open(path)
    await using other = await FileRegistry.open(path)
    for (const epoch of [1, 2, 3]) await change(registry, tenant('acme', { epoch }))
    const stop = new AbortController()
    const heard: AuditView[] = []
    const following = (async () => {
      for await (const entry of followTrail(registry, { limit: 2, tenant: 'acme' }, stop.signal, 10))
        heard.push(entry)
    })()
    await vi.waitFor(() => expect(heard).toHaveLength(2))
    await change(other, tenant('acme', { epoch: 4 }))
    await other.commit({ audit: { ...audit, action: 'tenant.evict', target: 'globex' } }, [])
    await other.commit({ audit: { ...audit, action: 'tenant.evict', target: 'acme' } }, [])
    await vi.waitFor(() => expect(heard).toHaveLength(4))
    expect(heard.map(({ revision, action }) => `${revision} ${action}`)).toEqual([
      '2 change',
      '3 change',
      '4 change',
      '4 tenant.evict',
    ])
    stop.abort()
    await following
  })
})

describe('audit verify', () => {
  it('ends with 0 where the audit is whole, and with 1 where somebody changed it, saying where', async () => {
    const whole = await run('audit', 'verify')
    expect(whole).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^3 entries, 3 of them sealed: whole\nends with 3:/),
    })
    const head = whole.out.split('ends with ')[1] ?? ''
    expect((await run('audit', 'verify', '--expect', head)).code).toBe(0)

    const path = join(folder, 'registry.yaml.audit.jsonl')
    const before = readFileSync(path, 'utf8')
    writeFileSync(path, before.replace('of operator', 'of operetta'))
    const changed = await run('audit', 'verify', '--json')
    expect(changed).toMatchObject({
      code: 1,
      err: expect.stringMatching(/The audit is not whole: the entry at \d+ .* was changed/),
    })
    expect(JSON.parse(changed.out)).toMatchObject({ whole: false, fault: { kind: 'changed', link: 2 } })
    writeFileSync(path, before)
  })

  it('proves what is left where the oldest entries were archived and taken out, and only after the last of those', async () => {
    const path = join(folder, 'registry.yaml.audit.jsonl')
    const before = readFileSync(path, 'utf8')
    const [first = '', second = ''] = before.split('\n')
    const linkOf = (line: string) => {
      const { seal } = JSON.parse(line)
      return `${seal.link}:${seal.mac}`
    }
    writeFileSync(path, before.slice(first.length + 1))
    const verify = (...args: string[]) => run('audit', 'verify', ...args)
    expect(await verify()).toMatchObject({ code: 1, err: expect.stringMatching(/link 1 is missing/) })
    expect(await verify('--after', linkOf(first))).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^2 entries, 2 of them sealed: whole\nends with 3:/),
    })
    expect(await verify('--after', linkOf(second))).toMatchObject({ code: 1 })
    const [, mac] = linkOf(second).split(':')
    const other = await verify('--after', `1:${mac}`)
    expect(other).toMatchObject({ code: 1, err: expect.stringMatching(/sealed after another one/) })
    writeFileSync(path, before.slice(first.length + second.length + 2))
    expect(await verify('--after', linkOf(first))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/link 2/),
    })
    const both = await verify('--after', linkOf(first), '--since', '2026-01-01T00:00:00Z')
    expect(both).toMatchObject({ code: 2, err: expect.stringMatching(/two beginnings/) })
    writeFileSync(path, before)
  })

  it('says that it needs the master key', async () => {
    const without = await new Terminal().run([
      'audit',
      'verify',
      '--registry',
      `file:${join(folder, 'registry.yaml')}`,
    ])
    expect(without).toMatchObject({ code: 1, err: expect.stringMatching(/TENANTRY_MASTER_KEY/) })
  })

  it('names a stretch that a process without the key wrote', async () => {
    const registry = `file:${join(folder, 'registry.yaml')}`
    await new Terminal().run(['key', 'create', '--operator', 'viewer', '--registry', registry])
    const verified = await run('audit', 'verify')
    expect(verified).toMatchObject({ code: 1, err: expect.stringMatching(/1 entry at \d+ without a seal/) })
  })
})

describe('registry migrate', () => {
  it('says from where to where, and what it would do', async () => {
    const { code, out } = await run('registry', 'migrate', '--dry-run')
    expect([code, out]).toEqual([0, 'schema 1 -> 1: nothing to do'])
    const elsewhere = ['--registry', `file:${join(folder, 'elsewhere.yaml')}`]
    const dry = await new Terminal().run(['registry', 'migrate', '--dry-run', '--json', ...elsewhere])
    expect(JSON.parse(dry.out)).toEqual({
      backend: 'file',
      from: 0,
      to: 1,
      readableFrom: 1,
      steps: ['new'],
      dryRun: true,
    })
    expect((await new Terminal().run(['registry', 'migrate', ...elsewhere])).out).toBe(
      'schema 0 -> 1: applied: new',
    )
  })

  it('ends with 2 without a registry', async () => {
    expect((await new Terminal().run(['registry', 'migrate'])).code).toBe(2)
  })
})

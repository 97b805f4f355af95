import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Terminal } from './terminal.ts'

describe('the command line', () => {
  let registry: string
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-cli-'))
    registry = `file:${join(folder, 'registry.yaml')}`
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    [['--help'], /Commands:/],
    [['tenant', 'register', '--help'], /--dry-run/],
    [['tenant', 'list', '--registry', 'REGISTRY'], /^TENANT +STATUS/],
    [['key', 'list', '--registry', 'REGISTRY', '--json'], /^\[\]$/],
  ])('ends %j with 0', async (args, out) => {
    const ran = await new Terminal().run(args.map((arg) => arg.replace('REGISTRY', registry)))
    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(out) })
  })

  it.each([
    [['tenant', 'show', 'nobody'], /tenant nobody is not in the registry/],
    [['tenant', 'suspend', 'nobody'], /not in the registry/],
    [['tenant', 'create', 'acme'], /TENANTRY_ADMIN_KEY/],
    [['key', 'revoke', 'aaaaaaaaaaaa'], /no key/],
    [['tenant', 'register', 'acme', '--dsn', 'postgres://u@127.0.0.1:1/db'], /127\.0\.0\.1/],
  ])('ends %j with 1: it failed', async (args, err) => {
    const ran = await new Terminal().run([...args, '--registry', registry])
    expect(ran).toMatchObject({ code: 1, out: '', err: expect.stringMatching(err) })
    expect(ran.err).not.toMatch(/^\s+at /m)
  })

  it.each([
    [['tenant', 'frobnicate'], /unknown command/],
    [['tenant', 'create'], /missing required argument/],
    [['tenant', 'list', '--nope'], /unknown option/],
    [['tenant', 'list', '--status', 'happy', '--registry', 'REGISTRY'], /status/],
    [['tenant', 'list'], /no registry/],
    [['tenant', 'list', '--registry', 'mysql://db'], /TENANTRY_REGISTRY_URL/],
    [['tenant', 'show', '../etc', '--registry', 'REGISTRY'], /not a tenant id/],
    [['tenant', 'register', 'acme', '--registry', 'REGISTRY'], /--dsn/],
    [['tenant', 'register', 'acme', '--dsn', 'x', '--registry', 'REGISTRY'], /connection string/],
    [['tenant', 'create', 'acme', '--schema', '/absent', '--registry', 'REGISTRY'], /ENOENT/],
    [['key', 'create', '--registry', 'REGISTRY'], /give one of/],
    [['key', 'create', '--tenant', 'a', '--service', '--registry', 'REGISTRY'], /give one of/],
    [['key', 'create', '--service', '--label', 'plan', '--registry', 'REGISTRY'], /NAME=VALUE/],
    [['key', 'create', '--service', '--expires', 'soon', '--registry', 'REGISTRY'], /expiresAt/],
    [['server', 'add', 'UPPER', '--dsn', 'postgres://u@h/d', '--registry', 'REGISTRY'], /slug/],
    [
      ['tenant', 'set', 'acme', '--max-connections', '0', '--registry', 'REGISTRY'],
      /^error: --max-connections: /,
    ],
    [['pool', 'stats'], /no operator key/],
    [['serve'], /TENANTRY_REGISTRY_URL is not set/],
  ])('ends %j with 2: it was asked for wrongly', async (args, err) => {
    const ran = await new Terminal().run(args.map((arg) => arg.replace('REGISTRY', registry)))
    expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringMatching(err) })
    expect(ran.err).not.toMatch(/^\s+at /m)
  })

  it('names three wrong settings at once', async () => {
    const terminal = new Terminal({ TENANTRY_PORT: 'x', TENANTRY_MAX_POOLS: '0', TENANTRY_BOGUS: '1' })
    const { code, err } = await terminal.run(['serve'])
    expect(code).toBe(2)
    for (const name of ['TENANTRY_PORT', 'TENANTRY_MAX_POOLS', 'TENANTRY_BOGUS']) expect(err).toContain(name)
  })

  it('says when nobody answers where the service should be', async () => {
    const operator = {
      TENANTRY_OPERATOR_KEY: 'tk_aaaaaaaaaaaa_canary',
      TENANTRY_OPS_URL: 'http://127.0.0.1:1',
    }
    const { code, err } = await new Terminal(operator).run(['pool', 'stats'])
    expect([code, err]).toEqual([1, 'error: no service answers at http://127.0.0.1:1'])
  })

  it('repeats no password of a DSN, whatever is wrong with it, and warns that others could have read it', async () => {
    const terminal = new Terminal()
    for (const rest of ['127.0.0.1:1/db', '127.0.0.1:1/db?sslmode=bogus', 'h:x/db', 'a@b:1/db', '']) {
      const dsn = `postgres://u:canary@${rest}`
      const ran = await terminal.run(['tenant', 'register', 'acme', '--registry', registry, '--dsn', dsn])
      expect(ran.code).toBeGreaterThan(0)
      expect(ran.err).toMatch(/^warning: --dsn holds a password/)
    }
    expect(terminal.said).not.toContain('canary')
  })
})

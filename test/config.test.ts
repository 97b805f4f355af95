import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { effectiveLines, readServiceSettings, readSettings } from '../src/config.ts'
import { InvalidConfigError } from '../src/errors.ts'

const KEY = `k1:${Buffer.alloc(32, 7).toString('base64')}`
const REQUIRED = { TENANTRY_REGISTRY_URL: 'file:registry.yaml', TENANTRY_MASTER_KEY: KEY }

function faultsOf(
  variables: Record<string, string>,
  read: (v: Record<string, string>) => unknown = readSettings,
) {
  try {
    read(variables)
  } catch (error) {
    if (error instanceof InvalidConfigError) return error.faults
    throw error
  }
  return []
}

describe('settings', () => {
  it('have a default each, and other variables are nobody’s business', () => {
    const settings = readServiceSettings({ ...REQUIRED, PATH: '/bin', PORT: 'x' })
    expect(settings).toMatchObject({ host: '127.0.0.1', port: 3000, opsPort: 3001, maxRows: 10_000 })
    expect(settings.router).toMatchObject({ maxConnections: 100, maxPools: 100, growAfterMs: 2 })
    expect(settings.given).toEqual(new Set(Object.keys(REQUIRED)))
  })

  it('name all faults at once, each with the value and what is allowed', () => {
    const faults = faultsOf({
      TENANTRY_PORT: '70000',
      TENANTRY_GROW_AFTER_MS: '2ms',
      TENANTRY_LOG_LEVEL: 'loud',
    })
    expect(faults).toEqual([
      'TENANTRY_PORT is "70000"; allowed: an integer from 0 to 65535',
      'TENANTRY_LOG_LEVEL is "loud"; allowed: fatal, error, warn, info, debug, trace or silent',
      'TENANTRY_GROW_AFTER_MS is "2ms"; allowed: an integer from 0 to 60000',
    ])
  })

  it.each(['-1', '1e3', '0x10', '010', ' 5', '5 ', '5.0', '٣', 'NaN'])('refuse the number %j', (text) => {
    expect(faultsOf({ TENANTRY_MAX_POOLS: text })).toHaveLength(1)
  })

  it('refuse names that are none, with the one that was meant', () => {
    expect(faultsOf({ TENANTRY_MAX_CONECTIONS: '5', TENANTRY_SERVICE_HOST: '10.0.0.1' })).toEqual([
      'TENANTRY_MAX_CONECTIONS is not a setting; did you mean TENANTRY_MAX_CONNECTIONS?',
      'TENANTRY_SERVICE_HOST is not a setting',
    ])
  })

  it('never repeat a secret, right or wrong', () => {
    const canary = 'canary-secret'
    const faults = faultsOf({
      TENANTRY_MASTER_KEY: canary,
      TENANTRY_OPERATOR_KEY: canary,
      TENANTRY_REGISTRY_URL: `mysql://u:${canary}@db/registry`,
    })
    expect(faults).toHaveLength(3)
    const settings = readSettings({
      ...REQUIRED,
      TENANTRY_REGISTRY_URL: `postgres://u:${canary}@db/registry?sslmode=require&token=${canary}`,
    })
    const shown = JSON.stringify([faults, effectiveLines(settings), settings])
    expect(shown).not.toContain(canary)
    expect(shown).not.toContain(KEY.slice(3))
    expect(effectiveLines(settings)[0]).toBe('TENANTRY_REGISTRY_URL=postgres://***@db/registry')
    const careless = readSettings({ ...REQUIRED, TENANTRY_REDIS_URL: `redis://:${canary}/x?y@db` })
    expect(effectiveLines(careless)).toContain('TENANTRY_REDIS_URL=redis://***@db')
  })

  it.each([
    [
      { MAX_POOLS: '9', MAX_CONNECTIONS: '8' },
      /MAX_POOLS is "9"; allowed: at most TENANTRY_MAX_CONNECTIONS \(8\)/,
    ],
    [{ MAX_CONNECTIONS_PER_TENANT: '101' }, /at most TENANTRY_MAX_CONNECTIONS \(100\)/],
    [{ MAX_OPENING_PER_SERVER: '9' }, /at most TENANTRY_MAX_OPENING \(8\)/],
    [{ STATEMENT_TIMEOUT_MS: '60001' }, /at most TENANTRY_LEASE_TIMEOUT_MS \(60000\)/],
    [{ PORT: '3001' }, /OPS_PORT is "3001"; allowed: another port than TENANTRY_PORT/],
  ])('refuse the impossible sum %j', (given, fault) => {
    const variables = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [`TENANTRY_${name}`, value]),
    )
    expect(faultsOf(variables)).toEqual([expect.stringMatching(fault)])
  })

  it('leave a default port that is in the way to a caller who moves it, and no other', () => {
    const read = (given: Record<string, string>) => readServiceSettings({ ...REQUIRED, ...given }, true)
    expect(read({ TENANTRY_PORT: '3001' })).toMatchObject({ port: 3001, opsPort: 3001 })
    expect(faultsOf({ TENANTRY_PORT: '3001', TENANTRY_OPS_PORT: '3001' }, read)).toHaveLength(1)
  })

  it('lower a default that a smaller limit makes impossible', () => {
    const { router } = readSettings({ TENANTRY_MAX_CONNECTIONS: '4', TENANTRY_MAX_OPENING: '2' })
    expect(router).toMatchObject({ maxPools: 4, maxConnectionsPerTenant: 4, maxOpeningPerServer: 2 })
  })

  it('have lists of addresses, each of which is looked at', () => {
    const given = ' 10.0.0.0/8, 192.168.1.7,::1/128 ,fd00::/8'
    expect(readSettings({ TENANTRY_TRUSTED_PROXIES: given }).trustedProxies).toEqual([
      '10.0.0.0/8',
      '192.168.1.7',
      '::1/128',
      'fd00::/8',
    ])
    for (const wrong of [
      '10.0.0.0/33',
      '10.0.0.0/8,',
      'nginx',
      '10.0.0',
      '::1/129',
      '10.0.0.1-10.0.0.9',
      '*',
    ])
      expect(faultsOf({ TENANTRY_TRUSTED_PROXIES: wrong })).toEqual([
        `TENANTRY_TRUSTED_PROXIES is "${wrong}"; allowed: addresses and CIDR blocks with commas between them, such as 10.0.0.0/8,::1`,
      ])
  })

  it('count as not set when they are empty', () => {
    expect(readSettings({ TENANTRY_PORT: '', TENANTRY_BASE_DOMAIN: '' })).toMatchObject({
      port: 3000,
      baseDomain: undefined,
    })
  })

  it('cannot do without a registry and a master key where tenants are served', () => {
    const faults = faultsOf({ TENANTRY_PORT: 'x' }, readServiceSettings)
    expect(faults).toEqual([
      expect.stringMatching(/^TENANTRY_PORT /),
      expect.stringMatching(/^TENANTRY_REGISTRY_URL is not set/),
      expect.stringMatching(/^TENANTRY_MASTER_KEY is not set/),
    ])
  })

  it('are told once each, with what is a default', () => {
    const lines = effectiveLines(readServiceSettings({ ...REQUIRED, TENANTRY_MAX_POOLS: '50' }))
    expect(lines).toContain('TENANTRY_MAX_POOLS=50')
    expect(lines).toContain('TENANTRY_MAX_CONNECTIONS=100 (default)')
    const names = lines.map((line) => line.split('=')[0])
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('secrets in files', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-config-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('are read without the line end', () => {
    const file = join(folder, 'master.key')
    writeFileSync(file, `${KEY}\n`)
    expect(readSettings({ TENANTRY_MASTER_KEY_FILE: file }).masterKey?.reveal()).toBe(KEY)
  })

  it('are a fault where they cannot be read, hold something else, or are given twice', () => {
    const file = join(folder, 'wrong.key')
    writeFileSync(file, 'canary')
    const faults = faultsOf({
      TENANTRY_MASTER_KEY_FILE: join(folder, 'absent'),
      TENANTRY_ADMIN_KEY_FILE: file,
      TENANTRY_REGISTRY_URL: 'file:a',
      TENANTRY_REGISTRY_URL_FILE: file,
    })
    expect(faults).toEqual([
      expect.stringMatching(/^TENANTRY_REGISTRY_URL is .*not both/),
      expect.stringMatching(/^TENANTRY_MASTER_KEY_FILE is .*absent.*readable/),
      expect.stringMatching(/^TENANTRY_ADMIN_KEY_FILE is .*kid:base64/),
    ])
    expect(faults.join()).not.toContain('canary')
  })
})

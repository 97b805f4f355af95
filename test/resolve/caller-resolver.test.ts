import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UnauthorizedError } from '../../src/errors.ts'
import { parseApiKey } from '../../src/registry/api-key.ts'
import { Directory } from '../../src/registry/directory.ts'
import { CallerResolver, type CallerSource } from '../../src/resolve/caller-resolver.ts'
import { HostResolver } from '../../src/resolve/host-resolver.ts'
import { type HttpWorld, startHttpWorld } from '../http/http-world.ts'

const baseDomain = 'db.example.test'
let http: HttpWorld
let callers: CallerResolver
beforeAll(async () => {
  http = await startHttpWorld(['acme', 'globex'])
  callers = new CallerResolver(http.world.directory, { baseDomain })
})
afterAll(() => http[Symbol.asyncDispose]())

const claims = (key: string, tenant?: string, host?: string) => ({
  authorization: `Bearer ${key}`,
  tenant,
  host,
})

/** The real directory, and what is asked of it. */
function watchedCallers(): { asked: string[]; watched: CallerResolver } {
  const { directory } = http.world
  const asked: string[] = []
  const source: CallerSource = {
    key: (id, signal) => {
      asked.push(`key ${id}`)
      return directory.key(id, signal)
    },
    tenant: (id, signal) => {
      asked.push(`tenant ${id}`)
      return directory.tenant(id, signal)
    },
    tenantByAlias: (kind, value, signal) => {
      asked.push(`alias ${value}`)
      return directory.tenantByAlias(kind, value, signal)
    },
  }
  return { asked, watched: new CallerResolver(source, { baseDomain }) }
}

describe('a caller', () => {
  it('is trusted as far as its key says', async () => {
    const own = await callers.resolve(claims(await http.tenantKey('acme')))
    expect([own.trust, own.tenant.id]).toEqual(['foreign', 'acme'])
    const team = await callers.resolve(claims(await http.serviceKey(), 'globex'))
    expect([team.trust, team.tenant.id]).toEqual(['application', 'globex'])
  })

  it('makes us look up no other tenant with a key of its own', async () => {
    const { asked, watched } = watchedCallers()
    const key = await http.tenantKey('acme')
    for (const other of ['globex', 'nobody']) {
      for (const named of [claims(key, other), claims(key, undefined, `${other}.${baseDomain}`)]) {
        await expect(watched.resolve(named)).rejects.toMatchObject({ code: 'tenant_unknown' })
      }
    }
    expect(new Set(asked)).toEqual(new Set([`key ${key.slice(3, 15)}`, 'tenant acme']))
  })

  it('makes us look up nothing without a key', async () => {
    const { asked, watched } = watchedCallers()
    const nameless = { authorization: undefined, tenant: 'acme', host: `acme.${baseDomain}` }
    await expect(watched.resolve(nameless)).rejects.toThrow(UnauthorizedError)
    await expect(watched.resolve({ ...nameless, authorization: 'Bearer tk_x_y' })).rejects.toThrow(
      UnauthorizedError,
    )
    expect(asked).toEqual([])
  })

  it('is refused from the moment that its key expires', async () => {
    let now = Date.now()
    const clocked = new CallerResolver(http.world.directory, { now: () => now })
    const key = await http.tenantKey('acme', { expiresAt: new Date(now + 60_000).toISOString() })
    await expect(clocked.resolve(claims(key))).resolves.toMatchObject({ trust: 'foreign' })
    now += 60_000
    await expect(clocked.resolve(claims(key))).rejects.toThrow(UnauthorizedError)
  })
})

describe('a host', () => {
  it.each([
    [`acme.${baseDomain}`, 'acme'],
    [`ACME.${baseDomain}.:8080`, 'acme'],
    [baseDomain, undefined],
    [`www.${baseDomain}`, undefined],
    ['127.0.0.1:3000', undefined],
    ['[::1]:3000', undefined],
    ['tenantry', undefined],
    ['elsewhere.test', undefined],
    [`evil${baseDomain}`, undefined],
    [`${baseDomain}.evil.test`, undefined],
  ])('%s names %s', async (host, tenant) => {
    const hosts = new HostResolver(http.world.directory, baseDomain)
    expect(await hosts.tenantOf(host)).toBe(tenant)
  })

  it.each([
    '',
    'a b',
    'a/b',
    'a@b',
    'acme.db.example.test:x',
    'ａｃｍｅ.db.example.test',
    'a..b',
    `a.b.${baseDomain}`,
    `-a.${baseDomain}`,
  ])('%j is refused', async (host) => {
    const hosts = new HostResolver(http.world.directory, baseDomain)
    await expect(hosts.tenantOf(host)).rejects.toMatchObject({ code: expect.stringMatching(/^invalid_/) })
  })

  it('is no reason to fail a tenant that is named already, while the registry cannot be asked', async () => {
    const closed = new Directory(http.world.registry)
    await closed.close()
    const down = new HostResolver(closed, baseDomain)
    await expect(down.tenantOf('customer.test')).rejects.toMatchObject({ code: 'registry_unavailable' })
    expect(await down.agreedTenantOf('customer.test')).toBeUndefined()
    expect(await down.agreedTenantOf(`acme.${baseDomain}`)).toBe('acme')
  })
})

describe('an API key', () => {
  it.each([
    '',
    'tk_',
    `tk_${'a'.repeat(12)}_${'A'.repeat(42)}`,
    `tk_${'A'.repeat(12)}_${'A'.repeat(43)}`,
    `tk_${'a'.repeat(12)}_${'A'.repeat(43)}\n`,
    `xtk_${'a'.repeat(12)}_${'A'.repeat(43)}`,
  ])('is not %j', (text) => {
    expect(parseApiKey(text)).toBeUndefined()
  })
})

describe('whoever listens', () => {
  it('hears of each cross-tenant attempt, and of each use of a service key, and of nothing else', async () => {
    const heard: string[] = []
    const listening = new CallerResolver(http.world.directory, {
      baseDomain,
      observer: {
        refused: ({ scope }, tenant, why) => heard.push(`${scope.kind} key refused ${tenant}: ${why}`),
        served: ({ scope }, tenant) => heard.push(`${scope.kind} key served ${tenant}`),
      },
    })
    const own = await http.tenantKey('acme')
    const team = await http.serviceKey()
    const limited = await http.key({ kind: 'service', labels: { plan: 'none has it' } })
    const host = (tenant: string) => `${tenant}.${baseDomain}`
    const asked = [
      claims(own),
      claims(own, 'globex'),
      claims(own, undefined, host('nobody')),
      claims(team, 'globex'),
      claims(team, 'acme', host('globex')),
      { ...claims(own, 'acme'), tenantAlso: 'globex' },
      { ...claims(team, 'acme'), tenantAlso: 'globex' },
      claims(team, 'nobody'),
      claims(limited, 'acme'),
      claims('tk_x', 'acme'),
    ]
    for (const each of asked) await listening.resolve(each).catch(() => {})
    expect(heard).toEqual([
      'tenant key refused globex: tenant_mismatch',
      'tenant key refused nobody: tenant_mismatch',
      'service key served globex',
      'service key refused acme: names_differ',
      'tenant key refused globex: tenant_mismatch',
      'service key refused acme: names_differ',
      'service key refused acme: labels_differ',
    ])
  })
})

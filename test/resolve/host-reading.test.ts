import { describe, expect, it } from 'vitest'
import type { CallerSource } from '../../src/resolve/caller-resolver.ts'
import { header } from '../../src/resolve/header-source.ts'
import { HostResolver } from '../../src/resolve/host-resolver.ts'
import { host } from '../../src/resolve/host-source.ts'
import { path } from '../../src/resolve/path-source.ts'

/** Nothing here reads it. */
const nowhere: CallerSource = {
  tenant: () => Promise.reject(new Error('a look-up')),
  tenantByAlias: () => Promise.reject(new Error('a look-up')),
  key: () => Promise.reject(new Error('a look-up')),
}
const hosts = new HostResolver(nowhere, ['example.com', 'eu.example.com', 'xn--bcher-kva.example'])

describe('a host', () => {
  it.each([
    ['acme.example.com', 'acme'],
    ['ACME.Example.COM', 'acme'],
    ['acme.example.com:8443', 'acme'],
    ['acme.example.com.', 'acme'],
    ['acme.example.com.:443', 'acme'],
    ['acme.eu.example.com', 'acme'],
    ['acme.xn--bcher-kva.example', 'acme'],
  ])('%s names the tenant %s', (text, tenant) => {
    expect(hosts.read(text)).toEqual({ tenant })
  })

  it.each([
    'example.com',
    'EU.example.com.',
    'www.example.com',
    'api.eu.example.com',
    'localhost:3000',
    '127.0.0.1',
    '127.0.0.1:3000',
    '[::1]:3000',
    '[::ffff:127.0.0.1]',
  ])('%s names nobody, and is looked up nowhere', (text) => {
    expect(hosts.read(text)).toBeUndefined()
  })

  it.each(['db.customer.test', 'notexample.com', 'acme.example.com.evil.test', 'xn--80ak6aa92e.test'])(
    '%s may be an alias',
    (text) => {
      expect(hosts.read(text)).toEqual({ alias: text })
    },
  )

  it.each([
    ['deep.acme.example.com', 'invalid_tenant_id'],
    ['-acme.example.com', 'invalid_tenant_id'],
    ['__proto__.example.com', 'invalid_tenant_id'],
    ['.example.com', 'invalid_request'],
    ['acme..example.com', 'invalid_request'],
    ['acme.example.com..', 'invalid_request'],
    ['acme.example.com:x', 'invalid_request'],
    ['acme.example.com:443:80', 'invalid_request'],
    ['acme@example.com', 'invalid_request'],
    ['acme.example.com/x', 'invalid_request'],
    ['acme%2eexample.com', 'invalid_request'],
    ['аcme.example.com', 'invalid_request'],
    ['ａcme.example.com', 'invalid_request'],
    ['bücher.example', 'invalid_request'],
    ['acme。example.com', 'invalid_request'],
    [`${'a'.repeat(300)}.example.com`, 'invalid_request'],
    ['', 'invalid_request'],
  ])('%j is refused', (text, code) => {
    expect(() => hosts.read(text)).toThrow(expect.objectContaining({ code }))
  })
})

describe('a source', () => {
  const named = async (source: ReturnType<typeof path>, facts: { path?: string; value?: string }) =>
    source.open(nowhere).name({ host: undefined, path: facts.path ?? '/', header: () => facts.value })

  it.each([
    ['/t/acme', 'acme'],
    ['/t/acme/', 'acme'],
    ['/t/acme/projects/globex', 'acme'],
    ['/t/constructor/x', 'constructor'],
    ['/t', undefined],
    ['/t/', undefined],
    ['/x/t/acme', undefined],
    ['/T/acme', undefined],
    ['/tt/acme', undefined],
  ])('of the path reads %s as %s', async (whole, tenant) => {
    expect(await named(path('/t/:tenant'), { path: whole })).toBe(tenant)
  })

  it.each(['/t/..%2fglobex', '/t/%61cme', '/t/Acme', '/t/acme;x', '/t/аcme', '/t/__proto__', '/t/acme%00'])(
    'of the path refuses %s',
    async (whole) => {
      await expect(named(path('/t/:tenant'), { path: whole })).rejects.toMatchObject({
        code: 'invalid_tenant_id',
      })
    },
  )

  it.each([
    '',
    ' acme',
    'ACME',
    'ácme',
    'аcme',
    'ａcme',
    'acme\u200b',
    '__proto__',
    "acme' or 1=1",
    'a'.repeat(41),
  ])('of a header refuses %j', async (value) => {
    await expect(named(header(), { value })).rejects.toMatchObject({ code: 'invalid_tenant_id' })
  })

  it.each([
    () => host('Example.com'),
    () => host('example.com:443'),
    () => host('10.0.0.1'),
    () => host('*.example.com'),
    () => host('bücher.example'),
    // @ts-expect-error -- without a base domain no host names a tenant
    () => host(),
    () => path('/:tenant/x'),
    () => path('t/:tenant'),
    () => path('/t/:id'),
    () => header('Authorization'),
    () => header('x y'),
  ])('that can name no tenant is refused when it is made: %s', (make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  })
})

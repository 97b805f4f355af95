import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CallerSource } from '../../src/resolve/caller-resolver.ts'
import type { JwtOptions } from '../../src/resolve/jwt/jwt-options.ts'
import { jwt, jwtOn } from '../../src/resolve/jwt/jwt-source.ts'
import { VERIFIER_TERMS } from '../../src/resolve/jwt/token-verifier.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { tenantRecord } from '../registry/records.ts'
import { AUDIENCE, ISSUER, KeyServer, type Minted, part, SigningKey } from './issuer.ts'

const tenantEntry = (id: string, generation: number) => ({
  kind: 'tenant' as const,
  id: parseTenantId(id),
  revision: 1,
  record: tenantRecord(id, { generation }),
})
const known = new Map([
  ['acme', tenantEntry('acme', 7)],
  ['constructor', tenantEntry('constructor', 8)],
])
const directory: CallerSource = {
  tenant: async (id) => known.get(id),
  tenantByAlias: async (kind, value) =>
    kind === 'external' && value === 'org_2NxK' ? known.get('acme') : undefined,
  key: async () => undefined,
}

let key: SigningKey
let rsa: SigningKey
let other: SigningKey
let options: JwtOptions
beforeAll(async () => {
  key = await SigningKey.make('k1')
  rsa = await SigningKey.make('r1', 'RS256')
  other = await SigningKey.make('k1')
  options = {
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [{ ...key.publicJwk }, { ...rsa.publicJwk }] },
    algorithms: ['ES256', 'RS256'],
    tenantClaim: 'tenant',
  }
})

async function proved(token: string, change: Partial<JwtOptions> = {}, now = Date.now()) {
  const source = jwtOn({ ...options, ...change }, { ...VERIFIER_TERMS, now: () => now })
  const facts = { host: undefined, path: '/', header: () => `Bearer ${token}` }
  const proof = await source.open(directory).prove(facts)
  return proof && 'tenant' in proof ? proof.tenant.id : proof
}

const refused = { code: 'unauthorized' }

describe('a token', () => {
  it('that its issuer signed proves the tenant of its claim, and shows who asks', async () => {
    const facts = { host: undefined, path: '/', header: () => undefined }
    const source = jwt(options).open(directory)
    expect(await source.prove(facts)).toBeUndefined()
    const token = await key.sign({ claims: { role: 'admin' } })
    const proof = await source.prove({ ...facts, header: () => `bearer  ${token}` })
    expect(proof).toMatchObject({
      tenant: { id: 'acme' },
      caller: { kind: 'token', issuer: ISSUER, subject: 'user-1', claims: { role: 'admin' } },
    })
    expect(await proved(await rsa.sign())).toBe('acme')
  })

  it.each<[string, Minted]>([
    ['of another audience', { claims: { aud: 'billing' } }],
    ['without an audience', { claims: { aud: undefined } }],
    ['without an end', { claims: { exp: undefined } }],
    ['whose end is a text', { claims: { exp: '9999999999' } }],
    ['that is for later', { claims: { nbf: Math.floor(Date.now() / 1_000) + 3_600 } }],
    ['without a tenant', { claims: { tenant: undefined } }],
    ['with a kid that is a path', { header: { kid: '../../../dev/null' } }],
    ['with a kid that is SQL', { header: { kid: "k1' or '1'='1" } }],
    ['with the kid of another key', { header: { kid: 'r1' } }],
  ])('%s is refused', async (_what, minted) => {
    const token = await key.sign(minted)
    await expect(proved(token)).rejects.toMatchObject(refused)
  })

  it('of another issuer is not looked at, and no proof', async () => {
    expect(await proved(await key.sign({ claims: { iss: 'https://evil.test/' } }))).toBeUndefined()
  })

  it('that another key signed under the same kid is refused', async () => {
    await expect(proved(await other.sign())).rejects.toMatchObject(refused)
  })

  it.each(['none', 'None', 'NONE', 'HS256', 'HS512', 'ES384', 'PS256', ''])(
    'that says its algorithm is %j is refused, signed or not',
    async (alg) => {
      const [, payload, signature] = (await rsa.sign()).split('.')
      const head = part({ alg, kid: 'r1', typ: 'JWT' })
      for (const end of ['', signature]) {
        await expect(proved(`${head}.${payload}.${end}`)).rejects.toMatchObject(refused)
      }
    },
  )

  it('that is signed by HMAC with the public key as its secret is refused, whatever the set says of the key', async () => {
    const { alg: _alg, use: _use, ...bare } = rsa.publicJwk
    const [, payload] = (await rsa.sign()).split('.')
    const signed = `${part({ alg: 'HS256', kid: 'r1' })}.${payload}`
    const pem = JSON.stringify(bare)
    for (const secret of [pem, String(bare.n), Buffer.from(String(bare.n), 'base64url')]) {
      const signature = createHmac('sha256', secret).update(signed).digest('base64url')
      await expect(proved(`${signed}.${signature}`, { keys: { keys: [bare] } })).rejects.toMatchObject(
        refused,
      )
    }
    expect(await proved(await rsa.sign(), { keys: { keys: [bare] } })).toBe('acme')
  })

  it('signed by another algorithm than its issuer’s is refused, though the key would do for both', async () => {
    const { alg: _alg, use: _use, ...bare } = rsa.publicJwk
    const again = await SigningKey.from('r1', 'RS512', rsa.privateJwk)
    const keys = { keys: [bare] }
    const token = await again.sign()
    await expect(proved(token, { keys, algorithms: ['RS256'] })).rejects.toMatchObject(refused)
    expect(await proved(token, { keys, algorithms: ['RS512'] })).toBe('acme')
  })

  it('leads to keys neither by jku, x5u, jwk nor x5c', async () => {
    await using server = await KeyServer.start(other)
    const header = { jku: server.url, x5u: server.url, jwk: other.publicJwk, x5c: ['MIIB'] }
    await expect(proved(await other.sign({ header }))).rejects.toMatchObject(refused)
    expect(server.fetches).toBe(0)
    expect(await proved(await key.sign({ header }))).toBe('acme')
  })

  it('is good until its end and as much longer as clocks may differ, and not before its beginning', async () => {
    const at = 1_800_000_000
    const token = await key.sign({ claims: { exp: at + 60, nbf: at } })
    const when = (seconds: number) => proved(token, { leewaySeconds: 10 }, (at + seconds) * 1_000)
    await expect(when(-11)).rejects.toMatchObject(refused)
    expect(await when(-10)).toBe('acme')
    expect(await when(69)).toBe('acme')
    await expect(when(70)).rejects.toMatchObject(refused)
  })

  it('of a megabyte is not parsed', async () => {
    const token = await key.sign({ claims: { pad: 'x'.repeat(1_000_000) } })
    expect(await proved(token)).toBeUndefined()
    expect(await proved(await key.sign({ claims: { pad: 'x'.repeat(2_000) } }))).toBe('acme')
  })

  it.each([
    '',
    '.',
    '..',
    'a.b.c',
    `${part('{')}.${part('{')}.`,
    'tk_x',
    `${part({ alg: 'ES256' })}.${part([])}.x`,
  ])('is not %j', async (text) => {
    expect(await proved(text)).toBeUndefined()
  })

  it.each(['__proto__', 'nobody', '', 'Acme', 'аcme', 7, null, ['acme'], { id: 'acme' }])(
    'for the tenant %j is for nobody',
    async (tenant) => {
      await expect(proved(await key.sign({ claims: { tenant } }))).rejects.toMatchObject({
        code: 'tenant_unknown',
      })
    },
  )

  it('for a tenant whose name means something to the language is for that tenant', async () => {
    expect(await proved(await key.sign({ claims: { tenant: 'constructor' } }))).toBe('constructor')
  })

  it('may name its tenant by an alias, where that is asked for', async () => {
    const change = { tenantClaim: 'org_id', tenantClaimIs: 'external' } as const
    expect(await proved(await key.sign({ claims: { org_id: 'org_2NxK' } }), change)).toBe('acme')
    for (const org of ['acme', 'org_none', 'x'.repeat(256)])
      await expect(proved(await key.sign({ claims: { org_id: org } }), change)).rejects.toMatchObject({
        code: 'tenant_unknown',
      })
  })

  it('of an earlier generation of its tenant is refused, where that is asked for', async () => {
    const change = { generationClaim: 'gen' }
    expect(await proved(await key.sign({ claims: { gen: 7 } }), change)).toBe('acme')
    for (const gen of [6, 8, '7', undefined])
      await expect(proved(await key.sign({ claims: { gen } }), change)).rejects.toMatchObject(refused)
  })

  it('is in no message of an error', async () => {
    const token = await other.sign()
    const error: unknown = await proved(token).catch((reason: unknown) => reason)
    const shown = error instanceof Error ? `${error.stack} ${String(error.cause)}` : ''
    expect(shown).not.toContain(token.split('.')[1])
    expect(shown).not.toContain(token.split('.')[2])
  })
})

describe('options of jwt()', () => {
  it.each<[string, () => Partial<Record<keyof JwtOptions | 'x', unknown>>]>([
    ['no algorithm', () => ({ algorithms: [] })],
    ['an algorithm with a shared secret', () => ({ algorithms: ['HS256'] })],
    ['no algorithm at all', () => ({ algorithms: ['none'] })],
    ['a key set over the open network', () => ({ keys: 'http://id.example.com/jwks.json' })],
    ['a URL with a password', () => ({ keys: 'https://u:p@id.example.com/jwks.json' })],
    ['no keys', () => ({ keys: { keys: [] } })],
    ['a private key', () => ({ keys: { keys: [key.privateJwk] } })],
    ['a shared secret', () => ({ keys: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } })],
    ['too many keys', () => ({ keys: { keys: Array.from({ length: 101 }, () => ({ ...key.publicJwk })) } })],
    ['no audience', () => ({ audience: [] })],
    ['an hour of leeway', () => ({ leewaySeconds: 3_600 })],
    ['a name that is none', () => ({ x: 1 })],
  ])('refuse %s', (_what, change) => {
    const wrong = { ...options, ...change() } as JwtOptions // as a program without types may write them
    expect(() => jwt(wrong)).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  })
})

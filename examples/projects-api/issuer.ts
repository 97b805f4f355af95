/**
 * Signs tokens while you develop, in place of your identity provider: `npm run token acme`. Its private key is in
 * `.tenantry/issuer.json`; give the app your provider's `issuer`, `audience` and `keys` instead when it goes live.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'

export const ISSUER = 'http://localhost/issuer'
export const AUDIENCE = 'projects-api'
const ALGORITHM = 'EdDSA'
const FILE = '.tenantry/issuer.json'

export interface Issuer {
  /** What the app checks tokens by: public keys alone. */
  readonly trusted: {
    readonly issuer: string
    readonly audience: string
    readonly keys: { readonly keys: [JWK] }
    readonly algorithms: ['EdDSA']
  }
  tokenFor(tenant: string, user?: string): Promise<string>
}

export async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
  return exportJWK(privateKey)
}

export function issuerWith(key: JWK): Issuer {
  const { d: _secret, ...open } = key
  return {
    trusted: { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [open] }, algorithms: [ALGORITHM] },
    async tokenFor(tenant, user = 'somebody') {
      return new SignJWT({ tenant })
        .setProtectedHeader({ alg: ALGORITHM })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(user)
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(await importJWK(key, ALGORITHM))
    },
  }
}

/** With the key of the last run, or a new one. */
export async function developmentIssuer(): Promise<Issuer> {
  if (!existsSync(FILE)) {
    mkdirSync('.tenantry', { recursive: true, mode: 0o700 })
    writeFileSync(FILE, JSON.stringify(await newKey()), { mode: 0o600 })
  }
  return issuerWith(JSON.parse(readFileSync(FILE, 'utf8')) as JWK) // ours, as written above
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const issuer = await developmentIssuer()
  process.stdout.write(`${await issuer.tokenFor(process.argv[2] ?? 'acme')}\n`)
}

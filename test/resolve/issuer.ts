import { createServer, type Server } from 'node:http'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'

export const ISSUER = 'https://id.example.com/'
export const AUDIENCE = 'projects-api'

export interface Minted {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Partial<JWTHeaderParameters>
  /** Seconds from `now` to the token's end. */
  readonly lifeSeconds?: number
}

/** A key of an issuer, and tokens that it signs. */
export class SigningKey {
  readonly kid: string
  readonly publicJwk: JWK
  readonly privateJwk: JWK
  readonly #alg: string
  readonly #private: CryptoKey

  private constructor(kid: string, alg: string, key: CryptoKey, publicJwk: JWK, privateJwk: JWK) {
    this.kid = kid
    this.#alg = alg
    this.#private = key
    this.publicJwk = publicJwk
    this.privateJwk = privateJwk
  }

  static async make(kid: string, alg = 'ES256'): Promise<SigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
    const publicJwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
    return new SigningKey(kid, alg, privateKey, publicJwk, await exportJWK(privateKey))
  }

  /** The same key, to sign by another algorithm. */
  static async from(kid: string, alg: string, privateJwk: JWK): Promise<SigningKey> {
    const key = await importJWK(privateJwk, alg)
    if (key instanceof Uint8Array) throw new Error('a shared secret')
    return new SigningKey(kid, alg, key, {}, privateJwk)
  }

  /** A token for `acme`, right in every part that is not given. */
  sign({ claims = {}, header = {}, lifeSeconds = 300 }: Minted = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1_000)
    const all = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'user-1',
      tenant: 'acme',
      exp: now + lifeSeconds,
      ...claims,
    }
    return new SignJWT(all)
      .setProtectedHeader({ alg: this.#alg, kid: this.kid, ...header })
      .sign(this.#private)
  }
}

/** Text as a part of a token. */
export function part(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** The key set of an issuer over HTTP, which can be told to misbehave. */
export class KeyServer implements AsyncDisposable {
  readonly url: string
  /** What is served; a function may hold the answer back. */
  body: string | (() => Promise<string>) = '{"keys":[]}'
  status = 200
  headers: Record<string, string> = {}
  fetches = 0
  readonly #server: Server

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  static async start(...keys: SigningKey[]): Promise<KeyServer> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const served = new KeyServer(server, `http://127.0.0.1:${port}/jwks.json`)
    served.serve(...keys)
    server.on('request', (_request, response) => {
      served.fetches += 1
      const { body } = served
      void (typeof body === 'string' ? Promise.resolve(body) : body()).then((text) => {
        response.writeHead(served.status, served.headers).end(text)
      })
    })
    return served
  }

  serve(...keys: SigningKey[]): void {
    this.body = JSON.stringify({ keys: keys.map((key) => key.publicJwk) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

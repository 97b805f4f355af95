import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../secret.ts'
import { deriveScramKeys, type ScramChallenge, type ScramKeyCache, type ScramKeys } from './scram-keys.ts'

const NONCE_BYTES = 18
/** No channel binding; Postgres takes the name from the startup packet. */
const HEADER = 'n,,'
const USER = 'n=*'
const BINDING = `c=${Buffer.from(HEADER).toString('base64')}`

/** A server's challenge, whose nonce goes on from the client's. */
export interface Challenge extends ScramChallenge {
  readonly text: string
  readonly nonce: string
}

/** Undefined for what is no challenge. */
export function readChallenge(text: string): Challenge | undefined {
  const match = /^r=([^,]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,9})(?:,|$)/.exec(text)
  const [, nonce, salt, iterations] = match ?? []
  return nonce && salt && iterations ? { text, nonce, salt, iterations: Number(iterations) } : undefined
}

/** The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) for one login: `first`, `answer`, `isProof`. */
export class ScramExchange {
  readonly #password: Secret
  readonly #cache: ScramKeyCache | undefined
  readonly #nonce = randomBytes(NONCE_BYTES).toString('base64')
  #challenge: Challenge | undefined
  #keys: ScramKeys | undefined
  #transcript = ''

  constructor(password: Secret, cache: ScramKeyCache | undefined) {
    this.#password = password
    this.#cache = cache
  }

  get first(): string {
    return `${HEADER}${this.#bare}`
  }

  /** Whether the challenge answers our own nonce, and adds to it. */
  isOurs({ nonce }: Challenge): boolean {
    return nonce.startsWith(this.#nonce) && nonce.length > this.#nonce.length
  }

  async answer(challenge: Challenge): Promise<string> {
    const keys =
      this.#cache?.get(this.#password, challenge) ?? (await deriveScramKeys(this.#password, challenge))
    const withoutProof = `${BINDING},r=${challenge.nonce}`
    this.#challenge = challenge
    this.#keys = keys
    this.#transcript = `${this.#bare},${challenge.text},${withoutProof}`
    const signature = this.#signed(keys.storedKey)
    const proof = keys.clientKey.map((byte, index) => byte ^ (signature[index] ?? 0))
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  /** Whether the server's last word proves that it knows the password too. */
  isProof(final: string): boolean {
    if (!this.#keys || !this.#challenge) return false
    const [, given = ''] = /^v=([^,]*)/.exec(final) ?? []
    const signature = Buffer.from(given, 'base64')
    const expected = this.#signed(this.#keys.serverKey)
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return false
    this.#cache?.keep(this.#password, this.#challenge, this.#keys)
    return true
  }

  get #bare(): string {
    return `${USER},r=${this.#nonce}`
  }

  #signed(key: Buffer): Buffer {
    return createHmac('sha256', key).update(this.#transcript).digest()
  }
}

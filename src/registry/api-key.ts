import { hash, randomBytes, randomInt } from 'node:crypto'
import { Secret } from '../secret.ts'

const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const ID_LENGTH = 12
const SECRET_BYTES = 32
const FORM = /^tk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/

/** What a caller presents: the id finds the record, the secret proves. */
export interface ApiKey {
  readonly id: string
  readonly secret: Secret
}

/** A new key: 62 random bits to find it by, 256 to prove it. Only `hash` is kept. */
export function makeKey(): ApiKey & { readonly hash: string } {
  const id = Array.from({ length: ID_LENGTH }, () => ID_ALPHABET[randomInt(ID_ALPHABET.length)]).join('')
  const secret = new Secret(randomBytes(SECRET_BYTES).toString('base64url'))
  return { id, secret, hash: hashOfKeySecret(secret) }
}

/** Undefined for whatever does not have the form `tk_<id>_<secret>`. */
export function parseApiKey(text: string): ApiKey | undefined {
  const [, id, secret] = FORM.exec(text) ?? []
  return id && secret ? { id, secret: new Secret(secret) } : undefined
}

/** The text to hand out, once. */
export function formatApiKey(key: ApiKey): Secret {
  return new Secret(`tk_${key.id}_${key.secret.reveal()}`)
}

/** SHA-256 in base64url, 43 characters: as `KeyRecord.secretHash`. */
export function hashOfKeySecret(secret: Secret): string {
  return hash('sha256', secret.reveal(), 'base64url')
}

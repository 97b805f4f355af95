import type { CryptoKey, FlattenedJWSInput, JSONWebKeySet, JWSHeaderParameters } from 'jose'
import { createLocalJWKSet } from 'jose'

/** Keys of a set that are looked at: an issuer has two or three. */
const MAX_KEYS = 100
/** What only whoever signs may have. */
const PRIVATE = ['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv']

/** Finds the public key that a token says it was signed with. */
export type KeyOf = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>

/**
 * Public keys by the `kid` and `alg` of a token, out of this set and from nowhere else.
 * @throws {TypeError} where it is no set, is too large, or holds a key that must not be known.
 */
export function keySet(value: unknown): KeyOf {
  if (!isKeySet(value)) throw new TypeError('not a JSON Web Key Set: an object with a list of keys')
  if (value.keys.length > MAX_KEYS) throw new TypeError(`a key set of more than ${MAX_KEYS} keys`)
  if (value.keys.some((key) => PRIVATE.some((part) => part in key)))
    throw new TypeError('a key set with a private or secret key in it')
  return createLocalJWKSet(value)
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  if (typeof value !== 'object' || value === null || !('keys' in value)) return false
  const { keys } = value
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)
}

import { timingSafeEqual } from 'node:crypto'
import { UnauthorizedError } from '../errors.ts'
import { hashOfKeySecret, parseApiKey } from '../registry/api-key.ts'
import type { KeyRecord } from '../registry/key-record.ts'
import type { Entry } from '../registry/registry.ts'
import { Secret } from '../secret.ts'

/** The part of the directory that is read here. */
export interface KeySource {
  key(id: string, signal?: AbortSignal): Promise<Entry<'key'> | undefined>
}

/** Compared against where there is no record, so that an unknown id costs what a known one does. */
const NOBODYS_HASH = hashOfKeySecret(new Secret(''))
const BEARER = /^Bearer +(\S+)$/i

/** Finds the record of a presented key and proves that the caller has its secret. */
export class KeyVerifier {
  readonly #keys: KeySource
  readonly #now: () => number

  /** @param now wall clock in milliseconds: expiry is a date. */
  constructor(keys: KeySource, now: () => number = Date.now) {
    this.#keys = keys
    this.#now = now
  }

  /**
   * @param authorization the header's value.
   * @throws {UnauthorizedError} absent, malformed, unknown, wrong, revoked and expired, which read the same
   * outside; the message, for the log, says which. {RegistryUnavailableError}
   */
  async verify(authorization: string | undefined, signal?: AbortSignal): Promise<KeyRecord> {
    if (authorization === undefined) throw new UnauthorizedError('no Authorization header')
    const key = parseApiKey(BEARER.exec(authorization)?.[1] ?? '')
    if (!key) throw new UnauthorizedError('Authorization is not "Bearer tk_<id>_<secret>"')

    const record = (await this.#keys.key(key.id, signal))?.record
    const isProved = isSame(hashOfKeySecret(key.secret), record?.secretHash ?? NOBODYS_HASH)
    if (!record) throw new UnauthorizedError(`there is no key ${key.id}`)
    if (!isProved) throw new UnauthorizedError(`wrong secret for key ${key.id}`)
    if (record.revokedAt !== null) throw new UnauthorizedError(`key ${key.id} was revoked`)
    if (record.expiresAt !== null && Date.parse(record.expiresAt) <= this.#now())
      throw new UnauthorizedError(`key ${key.id} expired at ${record.expiresAt}`)
    return record
  }
}

/** In constant time. Both are hashes of one length, so the length tells nothing. */
function isSame(left: string, right: string): boolean {
  const a = Buffer.from(left)
  const b = Buffer.from(right)
  return a.length === b.length && timingSafeEqual(a, b)
}

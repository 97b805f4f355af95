import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import type { Secret } from '../secret.ts'
import { preparedPassword } from './prepared-password.ts'

const derive = promisify(pbkdf2)
const KEY_BYTES = 32
/** About half a kilobyte each. */
const DEFAULT_MAX_KEPT = 10_000

/** What a server says of the verifier that it keeps. */
export interface ScramChallenge {
  readonly salt: string
  readonly iterations: number
}

/** What a login needs of a password; worth as much as it, for this one verifier. */
export interface ScramKeys {
  readonly clientKey: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** In a thread of libuv: 4,096 iterations are more than a millisecond of hashing. */
export async function deriveScramKeys(
  password: Secret,
  { salt, iterations }: ScramChallenge,
): Promise<ScramKeys> {
  const saltBytes = Buffer.from(salt, 'base64')
  const prepared = await preparedPassword(password.reveal())
  const salted = await derive(prepared, saltBytes, iterations, KEY_BYTES, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const clientKey = hmac('Client Key')
  const storedKey = createHash('sha256').update(clientKey).digest()
  return { clientKey, storedKey, serverKey: hmac('Server Key') }
}

/**
 * Keys of passwords that proved right, since deriving them is most of what a login costs the client. They
 * follow from password, salt and count alone, and a server has the same salt for a role until its password is
 * set again; another password finds nothing here.
 */
export class ScramKeyCache {
  readonly #keys: LRUCache<string, ScramKeys>
  /** So that a dump of the cache holds no plain hash of a password. */
  readonly #pepper = randomBytes(KEY_BYTES)

  constructor(maxKept = DEFAULT_MAX_KEPT) {
    this.#keys = new LRUCache({ max: maxKept })
  }

  get(password: Secret, challenge: ScramChallenge): ScramKeys | undefined {
    return this.#keys.get(this.#nameOf(password, challenge))
  }

  /** Only once the server has proved that it knows the password: nobody else may fill the cache. */
  keep(password: Secret, challenge: ScramChallenge, keys: ScramKeys): void {
    this.#keys.set(this.#nameOf(password, challenge), keys)
  }

  #nameOf(password: Secret, { salt, iterations }: ScramChallenge): string {
    const text = JSON.stringify([password.reveal(), salt, iterations])
    return createHmac('sha256', this.#pepper).update(text).digest('base64')
  }
}

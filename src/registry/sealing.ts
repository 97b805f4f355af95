import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { InternalError, SealingFailedError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { Sealed } from '../tenant/sealed.ts'
import type { KeyProvider } from './master-keys.ts'

/** The one place where a sealed value opens; a copy of it elsewhere does not. */
export interface SealBinding {
  /** `Registry.id`. */
  readonly registry: string
  /** Tenant id or server id. */
  readonly subject: string
  /** The tenant's; 0 for a server, which no tenant has. */
  readonly generation: number
  readonly field: string
}

/** Seals secrets for the registry and opens them again: AES-256-GCM, a data key for each value. */
export class Sealer {
  readonly #keys: KeyProvider

  constructor(keys: KeyProvider) {
    this.#keys = keys
  }

  seal(secret: Secret, binding: SealBinding): Sealed {
    const context = contextOf(binding)
    const dataKey = randomBytes(32)
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', dataKey, iv)
    cipher.setAAD(Buffer.from(context))
    const ciphertext = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()])
    const { kid, wrapped } = this.#keys.wrap(dataKey, context)
    dataKey.fill(0)
    return {
      v: 1,
      kid,
      wrappedKey: wrapped.toString('base64url'),
      iv: iv.toString('base64url'),
      ciphertext: ciphertext.toString('base64url'),
      tag: cipher.getAuthTag().toString('base64url'),
    }
  }

  /** Names the master key that new values are sealed under. */
  get activeKid(): string {
    return this.#keys.activeKid
  }

  /**
   * The same secret under the active master key: its data key is wrapped anew, and nothing else is touched.
   * @throws {SealingFailedError} when its own master key is not ours, or it was sealed for another place.
   */
  rewrap(sealed: Sealed, binding: SealBinding): Sealed {
    const context = contextOf(binding)
    const dataKey = this.#keys.unwrap(sealed.kid, Buffer.from(sealed.wrappedKey, 'base64url'), context)
    const { kid, wrapped } = this.#keys.wrap(dataKey, context)
    dataKey.fill(0)
    return { ...sealed, kid, wrappedKey: wrapped.toString('base64url') }
  }

  /** @throws {SealingFailedError} when the key is not ours, a bit was changed, or the value was sealed for another place. */
  open(sealed: Sealed, binding: SealBinding): Secret {
    const context = contextOf(binding)
    const dataKey = this.#keys.unwrap(sealed.kid, Buffer.from(sealed.wrappedKey, 'base64url'), context)
    try {
      const decipher = createDecipheriv('aes-256-gcm', dataKey, Buffer.from(sealed.iv, 'base64url'), {
        authTagLength: 16, // else a tag cut to four bytes would do
      })
      decipher.setAAD(Buffer.from(context))
      decipher.setAuthTag(Buffer.from(sealed.tag, 'base64url'))
      const text = Buffer.concat([
        decipher.update(Buffer.from(sealed.ciphertext, 'base64url')),
        decipher.final(),
      ]).toString('utf8')
      return new Secret(text)
    } catch (cause) {
      throw new SealingFailedError(`${binding.field} of ${binding.subject} does not open: it was changed`, {
        cause,
      })
    } finally {
      dataKey.fill(0)
    }
  }
}

function contextOf(binding: SealBinding): string {
  const { registry, subject, generation, field } = binding
  // With a separator in a part, two places could read the same.
  if ([registry, subject, field].some((part) => part.includes('|'))) {
    throw new InternalError('a part of a seal binding contains |')
  }
  return `v1|${registry}|${subject}|${generation}|${field}`
}

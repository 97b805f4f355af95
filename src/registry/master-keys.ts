import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { InvalidConfigError, SealingFailedError } from '../errors.ts'
import { Secret } from '../secret.ts'

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const KID = /^[A-Za-z0-9._-]{1,64}$/

/** Wraps the data keys of sealed values. A key service would be another implementation. */
export interface KeyProvider {
  /** Of the key that wraps. */
  readonly activeKid: string
  /** Wraps with the active key. `context` is authenticated, not hidden. */
  wrap(dataKey: Buffer, context: string): { kid: string; wrapped: Buffer }
  /** @throws {SealingFailedError} when there is no key `kid`, or key or context are not those of `wrap`. */
  unwrap(kid: string, wrapped: Buffer, context: string): Buffer
}

/**
 * Master keys held in memory, from a text `kid:base64,kid:base64…` (or with blanks between). The first is active; the others only
 * open what they once sealed, until everything is sealed anew.
 */
export class MasterKeys implements KeyProvider {
  readonly #keys: ReadonlyMap<string, Buffer>
  readonly #active: string

  private constructor(keys: ReadonlyMap<string, Buffer>, active: string) {
    this.#keys = keys
    this.#active = active
  }

  get activeKid(): string {
    return this.#active
  }

  /** @throws {InvalidConfigError} naming the position of each fault, never the text. */
  static fromText(text: string | Secret): MasterKeys {
    const parts = (typeof text === 'string' ? text : text.reveal()).trim().split(/[\s,]+/)
    const keys = new Map<string, Buffer>()
    const faults: string[] = []
    parts.forEach((part, index) => {
      const fault = addKey(keys, part)
      if (fault !== undefined) faults.push(`master key ${index + 1} of ${parts.length}: ${fault}`)
    })
    const [active] = keys.keys()
    if (faults.length > 0 || active === undefined) throw new InvalidConfigError(faults)
    return new MasterKeys(keys, active)
  }

  /** @throws {InvalidConfigError} also when others than the owner may read the file. */
  static fromFile(path: string): MasterKeys {
    return MasterKeys.fromText(readPrivateFile(path))
  }

  wrap(dataKey: Buffer, context: string): { kid: string; wrapped: Buffer } {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keyOf(this.#active), iv)
    cipher.setAAD(wrapContext(this.#active, context))
    const wrapped = Buffer.concat([iv, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
    return { kid: this.#active, wrapped }
  }

  unwrap(kid: string, wrapped: Buffer, context: string): Buffer {
    const key = this.#keyOf(kid)
    if (wrapped.length !== IV_BYTES + KEY_BYTES + TAG_BYTES)
      throw new SealingFailedError('wrapped key is cut')
    const decipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(0, IV_BYTES))
    decipher.setAAD(wrapContext(kid, context))
    decipher.setAuthTag(wrapped.subarray(IV_BYTES + KEY_BYTES))
    try {
      return Buffer.concat([
        decipher.update(wrapped.subarray(IV_BYTES, IV_BYTES + KEY_BYTES)),
        decipher.final(),
      ])
    } catch (cause) {
      throw new SealingFailedError('a data key does not open: another master key, or another place', {
        cause,
      })
    }
  }

  /**
   * A key for one purpose, which says nothing about the master key it comes from: the active one, or `kid`.
   * @throws {SealingFailedError} when there is no key `kid`.
   */
  derive(purpose: string, kid = this.#active): { kid: string; key: Buffer } {
    const derived = hkdfSync('sha256', this.#keyOf(kid), '', `tenantry|${purpose}`, KEY_BYTES)
    return { kid, key: Buffer.from(derived) }
  }

  /** @throws {SealingFailedError} */
  #keyOf(kid: string): Buffer {
    const key = this.#keys.get(kid)
    // Which keys there are, and which one is wanted, is nobody's business but the operator's: `why` shows it.
    if (key === undefined)
      throw new SealingFailedError('sealed under a master key that this process does not have')
    return key
  }
}

/** A new key as `MasterKeys.fromText` reads it; keep it where the registry's backups are not. */
export function generateMasterKey(): Secret {
  return new Secret(`k${randomBytes(4).toString('hex')}:${randomBytes(KEY_BYTES).toString('base64')}`)
}

function addKey(keys: Map<string, Buffer>, part: string): string | undefined {
  const colon = part.indexOf(':')
  if (colon < 0) return 'expected kid:base64, as `tenantry init` writes it into a file'
  const kid = part.slice(0, colon)
  const encoded = part.slice(colon + 1)
  if (!KID.test(kid)) return 'the kid must be 1 to 64 letters, digits, dots, hyphens or underscores'
  if (keys.has(kid)) return 'the kid is there twice'
  const key = Buffer.from(encoded, 'base64')
  // Buffer.from skips what is not base64: only the way back shows that nothing was skipped.
  const isWhole = key.toString('base64').replaceAll('=', '') === encoded.replaceAll('=', '')
  if (!isWhole || key.length !== KEY_BYTES) return `expected ${KEY_BYTES} bytes in base64`
  keys.set(kid, key)
  return undefined
}

function wrapContext(kid: string, context: string): Buffer {
  return Buffer.from(`wrap|${kid}|${context}`)
}

function readPrivateFile(path: string): string {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (cause) {
    throw new InvalidConfigError([`master key file ${path}: ${codeOf(cause)}`])
  }
  try {
    // Of the open file, not of the path, which could be another one by now.
    const { mode } = fstatSync(descriptor)
    if ((mode & 0o077) !== 0) {
      throw new InvalidConfigError([
        `master key file ${path}: others may use it (mode ${(mode & 0o777).toString(8)}), expected 600 or 400`,
      ])
    }
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'cannot be read'
}

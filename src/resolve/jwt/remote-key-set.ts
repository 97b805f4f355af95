import { type CryptoKey, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose'
import { IssuerUnavailableError } from '../../errors.ts'
import { type KeyOf, keySet } from './key-set.ts'

export interface RemoteKeySetTerms {
  /** Milliseconds after which the set is fetched again. */
  readonly maxAgeMs: number
  /** Milliseconds from one fetch to the next, whatever tokens ask for and however the last one ended. */
  readonly pauseMs: number
  /** Milliseconds that keys are used for while no newer ones can be had. */
  readonly staleMaxMs: number
  /** Milliseconds for one fetch. */
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Monotonic, in milliseconds. */
  readonly now: () => number
}

export const REMOTE_TERMS: RemoteKeySetTerms = {
  maxAgeMs: 600_000,
  pauseMs: 10_000,
  staleMaxMs: 86_400_000,
  timeoutMs: 5_000,
  maxBytes: 262_144,
  now: () => performance.now(),
}

/**
 * The key set of an issuer, fetched when it is needed: once for all who wait, and not again before `pauseMs` have
 * passed. What is known goes on being used while it is renewed, and while it cannot be.
 */
export class RemoteKeySet {
  readonly #url: string
  readonly #terms: RemoteKeySetTerms
  #held: { readonly keyOf: KeyOf; readonly at: number } | undefined
  #fetching: Promise<void> | undefined
  #triedAt = Number.NEGATIVE_INFINITY
  #fault: unknown

  constructor(url: string, terms: RemoteKeySetTerms = REMOTE_TERMS) {
    this.#url = url
    this.#terms = terms
  }

  /**
   * @throws jose's errors where no key of the set fits. {IssuerUnavailableError} where there is no set, and none to be had.
   */
  async keyOf(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (this.#usable() === undefined) await this.#renew()
    else if (this.#ageMs() > this.#terms.maxAgeMs) void this.#renew()
    try {
      return await this.#present().keyOf(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // It may be new: an issuer begins to sign with a key as soon as its set has it.
      const before = this.#held
      await this.#renew()
      if (this.#held === before) throw error
      return this.#present().keyOf(header, token)
    }
  }

  /** Joins the fetch under way; else begins one, unless it is too early. Never rejects. */
  #renew(): Promise<void> {
    const now = this.#terms.now()
    if (this.#fetching === undefined && now - this.#triedAt >= this.#terms.pauseMs) {
      this.#triedAt = now
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined
      })
    }
    return this.#fetching ?? Promise.resolve()
  }

  async #fetch(): Promise<void> {
    const { timeoutMs, maxBytes, now } = this.#terms
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await fetch(this.#url, {
        signal,
        redirect: 'error', // it leads where nobody agreed to
        headers: { accept: 'application/jwk-set+json, application/json' },
      })
      const text = await textOf(response, maxBytes)
      if (response.status !== 200) throw new Error(`it answered ${response.status}`)
      this.#held = { keyOf: keySet(JSON.parse(text)), at: now() }
      this.#fault = undefined
    } catch (error) {
      this.#fault = error
    }
  }

  #present(): { readonly keyOf: KeyOf } {
    const held = this.#usable()
    if (held === undefined)
      throw new IssuerUnavailableError(`there is no key set of ${this.#url}`, { cause: this.#fault })
    return held
  }

  #usable() {
    return this.#ageMs() <= this.#terms.staleMaxMs ? this.#held : undefined
  }

  #ageMs(): number {
    return this.#held === undefined ? Number.POSITIVE_INFINITY : this.#terms.now() - this.#held.at
  }
}

/** Read as far as the cap and no further, whatever length is told. */
async function textOf({ body }: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body ?? []) {
    bytes += part.byteLength
    // Leaving the loop cancels the rest.
    if (bytes > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import { InvalidConfigError, UnauthorizedError } from '../../errors.ts'
import type { ResolvedJwtOptions } from './jwt-options.ts'
import { type KeyOf, keySet } from './key-set.ts'
import { REMOTE_TERMS, RemoteKeySet, type RemoteKeySetTerms } from './remote-key-set.ts'

export interface VerifierTerms {
  /** Wall clock in milliseconds. */
  readonly now: () => number
  readonly remote: RemoteKeySetTerms
}

export const VERIFIER_TERMS: VerifierTerms = { now: Date.now, remote: REMOTE_TERMS }

/** Checks tokens of one issuer. `jku`, `x5u`, `jwk` and `x5c` in a token are not read: keys come from the set alone. */
export class TokenVerifier {
  readonly #options: ResolvedJwtOptions
  readonly #keyOf: KeyOf
  readonly #terms: VerifierTerms

  /** @throws {InvalidConfigError} where the key set is none, or holds what only the issuer may have. */
  constructor(options: ResolvedJwtOptions, terms: VerifierTerms = VERIFIER_TERMS) {
    this.#options = options
    this.#terms = terms
    this.#keyOf = keysOf(options.keys, terms.remote)
  }

  /** Whether the token says that it is of this issuer. It is not checked yet, and no key is looked for. */
  claims(token: string): boolean {
    if (token.length > this.#options.maxTokenBytes) return false
    try {
      return decodeJwt(token).iss === this.#options.issuer
    } catch {
      return false
    }
  }

  /**
   * What the issuer signed.
   * @throws {UnauthorizedError} whatever is wrong with it; the message, for the log, says what.
   * {IssuerUnavailableError} where the issuer's keys cannot be had.
   */
  async verify(token: string): Promise<JWTPayload> {
    const { issuer, audience, algorithms, tenantClaim, leewaySeconds } = this.#options
    try {
      const { payload } = await jwtVerify(token, this.#keyOf, {
        issuer,
        audience,
        algorithms,
        requiredClaims: ['exp', tenantClaim],
        clockTolerance: leewaySeconds,
        currentDate: new Date(this.#terms.now()),
      })
      return payload
    } catch (error) {
      // Its own messages hold no part of the token.
      if (error instanceof errors.JOSEError)
        throw new UnauthorizedError(`a token of ${issuer}: ${error.message} (${error.code})`, {
          cause: error,
        })
      throw error
    }
  }
}

function keysOf(keys: ResolvedJwtOptions['keys'], terms: RemoteKeySetTerms): KeyOf {
  if (typeof keys === 'string') {
    const remote = new RemoteKeySet(keys, terms)
    return (header, token) => remote.keyOf(header, token)
  }
  try {
    return keySet(keys)
  } catch (error) {
    throw new InvalidConfigError([`jwt: keys: ${error instanceof Error ? error.message : 'not a key set'}`])
  }
}

import { TenantUnknownError, UnauthorizedError } from '../../errors.ts'
import { MAX_ALIAS_LENGTH } from '../../registry/alias-record.ts'
import { isTenantId } from '../../tenant/tenant-id.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { CallerSource } from '../caller-resolver.ts'
import type { Proof, Prover, ProvingSource, RequestFacts } from '../source.ts'
import { type JwtOptions, jwtOptions, type ResolvedJwtOptions } from './jwt-options.ts'
import { TokenVerifier, VERIFIER_TERMS, type VerifierTerms } from './token-verifier.ts'

const BEARER = /^Bearer +(\S+)$/i
/** Three parts of base64url. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]*$/

/**
 * Proves by a signed token of one issuer, `Authorization: Bearer <JWT>`, one of whose claims says whose it is. For
 * several issuers, give several.
 * @throws {InvalidConfigError}
 */
export function jwt(options: JwtOptions): ProvingSource {
  return jwtOn(options, VERIFIER_TERMS)
}

/** As `jwt`, on other clocks and bounds. */
export function jwtOn(options: JwtOptions, terms: VerifierTerms): ProvingSource {
  const resolved = jwtOptions(options)
  const verifier = new TokenVerifier(resolved, terms)
  return { proves: true, open: (directory) => new TokenProver(directory, resolved, verifier) }
}

class TokenProver implements Prover {
  readonly #directory: CallerSource
  readonly #options: ResolvedJwtOptions
  readonly #verifier: TokenVerifier

  constructor(directory: CallerSource, options: ResolvedJwtOptions, verifier: TokenVerifier) {
    this.#directory = directory
    this.#options = options
    this.#verifier = verifier
  }

  async prove(facts: RequestFacts, signal?: AbortSignal): Promise<Proof | undefined> {
    const token = BEARER.exec(facts.header('authorization') ?? '')?.[1]
    if (token === undefined || !this.#isOurs(token)) return undefined
    const claims = await this.#verifier.verify(token)
    const tenant = await this.#tenantOf(claims, signal)
    const { issuer } = this.#options
    return { tenant, caller: { kind: 'token', issuer, subject: claims.sub, claims } }
  }

  #isOurs(token: string): boolean {
    return TOKEN.test(token) && this.#verifier.claims(token)
  }

  /** An issuer whose claim names no tenant is told no more than one whose claim names another's. */
  async #tenantOf(
    claims: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<TenantRecord> {
    const { tenantClaim, generationClaim } = this.#options
    const tenant = await this.#find(claims[tenantClaim], signal)
    if (tenant === undefined) throw new TenantUnknownError(`the claim ${tenantClaim} names no tenant`)
    // Signed for an earlier tenant of the same name.
    if (generationClaim !== undefined && claims[generationClaim] !== tenant.generation)
      throw new UnauthorizedError(`the token is not of generation ${tenant.generation} of ${tenant.id}`)
    return tenant
  }

  async #find(value: unknown, signal: AbortSignal | undefined): Promise<TenantRecord | undefined> {
    if (this.#options.tenantClaimIs === 'id')
      return isTenantId(value) ? (await this.#directory.tenant(value, signal))?.record : undefined
    if (typeof value !== 'string' || value === '' || value.length > MAX_ALIAS_LENGTH) return undefined
    return (await this.#directory.tenantByAlias('external', value, signal))?.record
  }
}

import { z } from 'zod'
import { InvalidConfigError } from '../../errors.ts'

/** Asymmetric ones alone: whoever can check a token must not be able to make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** By https, or on this machine. */
const KEYS_URL =
  /^https:\/\/[^\s@]+$|^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?:\/[^\s@]*)?$/

export const JwtOptions = z.strictObject({
  /** The `iss` claim, to the letter. */
  issuer: z.string().min(1).max(512),
  /** The `aud` claim has this value, or one of these. */
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  /** Where the issuer publishes its public keys (its `jwks_uri`), or the key set itself. */
  keys: z.union([
    z.string().max(2_048).regex(KEYS_URL, 'an https URL, or a JSON Web Key Set'),
    z.looseObject({ keys: z.array(z.looseObject({})).min(1) }),
  ]),
  /** The algorithms that this issuer signs by. */
  algorithms: z.array(z.enum(ALGORITHMS)).min(1),
  /** The claim that says whose the token is. */
  tenantClaim: z.string().min(1).max(256),
  /** What that claim holds: a tenant id, or an external alias of a tenant, as an identity provider's `org_2NxK…`. */
  tenantClaimIs: z.enum(['id', 'external']).default('id'),
  /** A claim that must hold the tenant's generation. Default: none is asked for. */
  generationClaim: z.string().min(1).max(256).optional(),
  /** Seconds by which the issuer's clock and ours may differ. */
  leewaySeconds: z.int().min(0).max(300).default(30),
  /** Bytes of a token. */
  maxTokenBytes: z.int().min(256).max(65_536).default(8_192),
})
/** What a token must be to prove something. */
export type JwtOptions = z.input<typeof JwtOptions>
export type ResolvedJwtOptions = z.output<typeof JwtOptions>

/** @throws {InvalidConfigError} with every fault. */
export function jwtOptions(options: JwtOptions): ResolvedJwtOptions {
  const parsed = JwtOptions.safeParse(options)
  if (parsed.success) return parsed.data
  throw new InvalidConfigError(
    parsed.error.issues.map(({ path, message }) => `jwt: ${path.join('.') || 'options'}: ${message}`),
  )
}

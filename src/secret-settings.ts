import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { Secret } from './secret.ts'
import { secret, text } from './setting-kinds.ts'

/** `kid:base64` of 32 bytes; more than one where a key is being rotated, the first is the one that seals. */
const KEYS = {
  pattern: /^\s*[A-Za-z0-9_-]{1,64}:[A-Za-z0-9+/]{43}=(?:\s*,\s*[A-Za-z0-9_-]{1,64}:[A-Za-z0-9+/]{43}=)*\s*$/,
  allowed: 'kid:base64 of 32 random bytes (`tenantry init` makes one)',
}
const REGISTRY = {
  pattern: /^\s*(?:(?:postgres|postgresql|consul|consul\+https?):\/\/\S+|file:.+)\s*$/,
  allowed: 'postgres://…, consul://… or file:PATH',
}
const REDIS = { pattern: /^\s*rediss?:\/\/\S+\s*$/, allowed: 'redis://… or rediss://…' }

const KINDS = { REGISTRY_URL: REGISTRY, MASTER_KEY: KEYS, ADMIN_KEY: KEYS, REDIS_URL: REDIS } as const
export type SecretName = keyof typeof KINDS

/** Settings whose value is secret, or may hold a secret. Each may be in a file instead. */
export const SECRET_SETTINGS = {
  /** Where tenants, servers and keys are kept. */
  REGISTRY_URL: secret(REGISTRY.pattern, REGISTRY.allowed),
  REGISTRY_URL_FILE: text(/^.+$/, 'the path of a readable file that holds the URL'),
  /** Opens and seals what the data plane needs: the passwords of tenants' roles. */
  MASTER_KEY: secret(KEYS.pattern, KEYS.allowed),
  MASTER_KEY_FILE: text(/^.+$/, 'the path of a readable file that holds the key'),
  /** Opens and seals admin passwords: only where tenants are made, never needed to serve them. */
  ADMIN_KEY: secret(KEYS.pattern, KEYS.allowed),
  ADMIN_KEY_FILE: text(/^.+$/, 'the path of a readable file that holds the key'),
  /** What processes share of limits. */
  REDIS_URL: secret(REDIS.pattern, REDIS.allowed),
  REDIS_URL_FILE: text(/^.+$/, 'the path of a readable file that holds the URL'),
}

type Values = { readonly [Name in keyof typeof SECRET_SETTINGS]?: z.output<(typeof SECRET_SETTINGS)[Name]> }

/** @param refuse is told what is wrong: the name, its value where that may be shown, and what is allowed. */
export function secretOf(
  name: SecretName,
  env: Values,
  refuse: (name: string, value: string | undefined, allowed: string) => void,
): Secret | undefined {
  const value = env[name]
  const file = env[`${name}_FILE`]
  if (value && file) refuse(name, undefined, `either this or TENANTRY_${name}_FILE, not both`)
  if (value || !file) return value
  const { pattern, allowed } = KINDS[name]
  try {
    const content = readFileSync(file, 'utf8')
    if (pattern.test(content)) return new Secret(content.trim())
    refuse(`${name}_FILE`, file, `a file that holds ${allowed}`)
  } catch {
    refuse(`${name}_FILE`, file, 'the path of a readable file')
  }
  return undefined
}

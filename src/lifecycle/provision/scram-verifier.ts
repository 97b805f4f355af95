import { randomBytes } from 'node:crypto'
import { deriveScramKeys } from '../../connection/scram-keys.ts'
import type { Secret } from '../../secret.ts'

/** What Postgres itself uses; pgjdbc refuses less. */
export const DEFAULT_ITERATIONS = 4096
const SALT_BYTES = 16

/**
 * What Postgres stores of a password (RFC 5803), computed here so that the password itself never travels in
 * a statement, where server logs and statistics would keep it.
 * Fewer iterations make each login cheaper, and guesses too: only for passwords that are random, of 256 bits.
 */
export async function scramVerifier(password: Secret, iterations = DEFAULT_ITERATIONS): Promise<string> {
  const salt = randomBytes(SALT_BYTES).toString('base64')
  const { storedKey, serverKey } = await deriveScramKeys(password, { salt, iterations })
  return `SCRAM-SHA-256$${iterations}:${salt}$${storedKey.toString('base64')}:${serverKey.toString('base64')}`
}

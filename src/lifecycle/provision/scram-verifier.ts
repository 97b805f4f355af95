import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type { Secret } from '../../secret.ts'

/** What Postgres itself uses; pgjdbc refuses less. */
export const DEFAULT_ITERATIONS = 4096
const SALT_BYTES = 16

/**
 * What Postgres stores of a password (RFC 5803), computed here so that the password itself never travels in
 * a statement, where server logs and statistics would keep it. The password must be ASCII.
 * Fewer iterations make each login cheaper, and guesses too: only for passwords that are random, of 256 bits.
 */
export function scramVerifier(
  password: Secret,
  iterations = DEFAULT_ITERATIONS,
  salt = randomBytes(SALT_BYTES),
): string {
  const salted = pbkdf2Sync(password.reveal(), salt, iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  const serverKey = hmac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

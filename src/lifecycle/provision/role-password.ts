import { z } from 'zod'
import { InternalError, PreconditionFailedError, SqlError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import type { LifecycleParts } from '../parts.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { Provisioning } from './provisioning.ts'
import { DEFAULT_ITERATIONS, scramVerifier } from './scram-verifier.ts'

/**
 * How servers answer a password that is hashed already and that they do not take: Neon's control plane (XX000),
 * and modules on Postgres's password hook.
 */
const REFUSALS: ReadonlySet<string> = new Set(['XX000', '0A000', '22023', '28000'])

/** A tenant's password, and the admin who sets it. */
export type PasswordSetting = Pick<Provisioning, 'admin' | 'password' | 'parts' | 'server'>

/**
 * Lets a role of ours log in with the tenant's password, as a verifier made here, of as many iterations as the
 * parts say. A server that takes none gets the password itself, over verified TLS only, and hashes it its own way.
 * @throws {PreconditionFailedError} where it takes none and nothing proves that it is the server.
 */
export async function setPassword(provisioning: PasswordSetting, role: string): Promise<void> {
  const admin = await provisioning.admin()
  const password = provisioning.password()
  const verifier = await verifierOf(provisioning.parts, password)
  try {
    await admin.execute(loginStatement(role, verifier))
  } catch (error) {
    if (!(error instanceof SqlError) || !REFUSALS.has(error.sqlstate)) throw error
    refuseUnverified(provisioning)
    await admin.execute(loginStatement(role, password.reveal()))
    return
  }
  await readBack(admin, role, verifier)
}

export function verifierOf({ scramIterations }: LifecycleParts, password: Secret): Promise<string> {
  return scramVerifier(password, scramIterations ?? DEFAULT_ITERATIONS)
}

/** @param password or its verifier. */
export function loginStatement(role: string, password: string): string {
  return `alter role ${quoteName(role)} login password ${quoteText(password)}`
}

/** The password in a statement is for the eyes of the server alone. */
function refuseUnverified({ server }: PasswordSetting): void {
  if (server.tls.mode === 'verify-full') return
  throw new PreconditionFailedError(
    `Server ${server.id} takes no password that is hashed already, and the password itself goes over verified ` +
      'TLS only: add the server again with sslmode=verify-full.',
  )
}

/** Hardly any admin may look; the login at the end of provisioning proves it for the others. */
export async function readBack(admin: Session, role: string, verifier: string): Promise<void> {
  const { may } = await admin.row(
    z.object({ may: z.boolean() }),
    `select pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'select')
        and pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'select') as may`,
  )
  if (!may) return
  const found = await admin.row(
    z.object({ kept: z.boolean() }),
    `select coalesce(rolpassword = ${quoteText(verifier)}, false) as kept
       from pg_catalog.pg_authid where rolname = ${quoteText(role)}`,
  )
  if (!found.kept) throw new InternalError(`the verifier of role ${role} is not the one that was set`)
}

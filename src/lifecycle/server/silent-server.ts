import { z } from 'zod'
import { PreconditionFailedError, ServerUnavailableError, TenantryError } from '../../errors.ts'
import { adminTargetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { type LifecycleParts, now } from '../parts.ts'
import { Session } from '../session.ts'

/** What was seen of a server that somebody says is gone for good. */
export const Silence = z.strictObject({
  at: z.iso.datetime(),
  /** Where it was asked, and what came of it. */
  why: z.string().max(300),
})
export type Silence = z.output<typeof Silence>

/**
 * Asks a server once more, at its address on record, for ten seconds at most.
 * @returns undefined where anything of Postgres answers there, were it to refuse the login.
 * @throws {PreconditionFailedError} where its admin login is not on record or cannot be opened.
 */
export async function silenceOf(parts: LifecycleParts, server: ServerRecord): Promise<Silence | undefined> {
  const { registry, sealer, adminSealer } = parts
  if (adminSealer === undefined)
    throw new PreconditionFailedError(
      'Asking a server needs TENANTRY_ADMIN_KEY, which opens admin passwords.',
    )
  const target = adminTargetOf(server, adminSealer, registry.id, undefined, sealer)
  try {
    await using _session = await Session.open(target)
    return undefined
  } catch (error) {
    if (error instanceof ServerUnavailableError && error.sqlstate === undefined)
      return { at: now(), why: error.message.slice(0, 300) }
    if (error instanceof TenantryError) return undefined
    throw error
  }
}

/** @throws {PreconditionFailedError} where the server answers. */
export async function refuseAnswering(parts: LifecycleParts, server: ServerRecord): Promise<Silence> {
  const silence = await silenceOf(parts, server)
  if (silence !== undefined) return silence
  throw new PreconditionFailedError(
    `Server ${server.id} answers: it is not gone. Leave that out, and try again.`,
  )
}

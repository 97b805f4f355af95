import { TenantryError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { LifecycleParts } from '../parts.ts'
import { AdminSessions } from '../server/admin-sessions.ts'
import { Session } from '../session.ts'
import { type Catalog, readCatalog, readFacts, type ServerFacts } from './catalog.ts'
import type { Found } from './finding.ts'
import type { Fleet } from './fleet.ts'

/** Of those, tenants whose login is tried to look by, where there is no admin's. */
const TRIED_LOGINS = 3

/** One server, as of one moment, and what the registry has of it. */
export interface ServerLook {
  readonly parts: LifecycleParts
  readonly fleet: Fleet
  readonly server: ServerRecord
  /** Those whose route leads there. */
  readonly tenants: readonly Entry<'tenant'>[]
  readonly facts: ServerFacts
  readonly catalog: Catalog
  /** Undefined where the server has no admin login on record, or this process no key for it. */
  readonly admin: AdminSessions | undefined
  /** Aborts when the time for this server is over. */
  readonly signal: AbortSignal
}

/** One subject. It reads what the look holds, or asks the server for more. */
export interface ServerCheck {
  readonly name: string
  run(look: ServerLook): Iterable<Found> | Promise<Iterable<Found>>
}

export interface LookTerms {
  readonly signal: AbortSignal
  /** Wall clock, in milliseconds. */
  readonly now: () => number
}

/**
 * As admin where that can be, else as one of its tenants: the catalogs are for everyone to read.
 * @returns false where there is no login of either.
 */
export async function lookAt(
  parts: LifecycleParts,
  fleet: Fleet,
  server: ServerRecord,
  { signal, now }: LookTerms,
  work: (look: ServerLook) => Promise<void>,
): Promise<boolean> {
  const tenants = fleet.tenants.get(server.id) ?? []
  await using admin = server.via === 'direct' ? AdminSessions.of(parts, server, signal) : undefined
  await using own = admin === undefined ? await openAsTenant(parts, server, tenants, signal) : undefined
  const session = own ?? (await admin?.home())
  if (session === undefined) return false
  const facts = await readFacts(session, now)
  const catalog = await readCatalog(session)
  await work({ parts, fleet, server, tenants, facts, catalog, admin, signal })
  return true
}

/** @throws what the last login failed with, where none was let in. */
async function openAsTenant(
  { registry, sealer }: LifecycleParts,
  server: ServerRecord,
  tenants: readonly Entry<'tenant'>[],
  signal: AbortSignal,
): Promise<Session | undefined> {
  let failure: TenantryError | undefined
  for (const { record } of tenants.filter((one) => one.record.status === 'active').slice(0, TRIED_LOGINS)) {
    try {
      return await Session.readOnly(targetOf(record, server, sealer, registry.id), signal)
    } catch (error) {
      if (!(error instanceof TenantryError)) throw error
      failure = error
    }
  }
  if (failure !== undefined) throw failure
  return undefined
}

import { z } from 'zod'
import { LoginFailedError, ServerUnknownError, TenantryError } from '../../errors.ts'
import { everyEntry } from '../../registry/every-entry.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { auditEntry, type LifecycleParts } from '../parts.ts'
import { acceptProvisioned, lockAgain } from './accept-provisioned.ts'
import { acceptRegistered } from './accept-registered.ts'
import { type Acceptance, type AcceptedTenant, refused } from './acceptance.ts'
import { AdminSessions } from './admin-sessions.ts'
import { findServerEntry } from './server-view.ts'

export const AcceptServer = z.strictObject({
  /** Look and tell, and change nothing. */
  dryRun: z.boolean().default(false),
})
export type AcceptServer = z.input<typeof AcceptServer>

export interface ServerAccepted {
  readonly server: string
  readonly dryRun: boolean
  readonly tenants: readonly AcceptedTenant[]
}

/** Tenants looked at side by side. */
const AT_ONCE = 4

/**
 * After a restore, an upgrade or a change of machines: looks at every tenant of the server, and where the
 * database is the tenant's own, takes it on as it is now. Passwords and locks of provisioned tenants are set
 * on the server as the registry has them. Another tenant's database and one that was moved away are never
 * accepted, and what is deleted in the registry stays so. Called again it finds nothing to do.
 * @throws {ServerUnknownError | ServerUnavailableError | LoginFailedError} the last where the admin is not let in
 */
export async function acceptServer(
  parts: LifecycleParts,
  id: string,
  input: AcceptServer,
  actor: string,
): Promise<ServerAccepted> {
  const { dryRun } = AcceptServer.parse(input)
  const server = await findServerEntry(parts.registry, id)
  const entries = await tenantsOf(parts.registry, id)
  await using admin = AdminSessions.of(parts, server.record)
  // Before any tenant: with a login that is not the server's, all of them would be found wanting.
  await admin?.home()
  const acceptance: Acceptance = { parts, server: server.record, admin, neighbours: entries, dryRun, actor }
  const tenants: AcceptedTenant[] = []
  for (let at = 0; at < entries.length; at += AT_ONCE) {
    const batch = entries.slice(at, at + AT_ONCE)
    tenants.push(...(await Promise.all(batch.map((entry) => accept(acceptance, entry)))))
  }
  if (!dryRun) {
    const count = tenants.filter(({ outcome }) => outcome === 'accepted').length
    const audit = auditEntry(actor, 'server.accept', id, { tenants: tenants.length, accepted: count })
    await parts.registry.commit({ audit }, [])
  }
  return { server: id, dryRun, tenants }
}

async function accept(acceptance: Acceptance, listed: Entry<'tenant'>): Promise<AcceptedTenant> {
  const { id, record } = listed
  try {
    // A run may take minutes: the tenant as it is on record when its turn comes.
    const entry = (await acceptance.parts.registry.find('tenant', id)) ?? listed
    const { changes, refusal } = await look(acceptance, entry)
    const outcome = refusal === null ? (changes.length > 0 ? 'accepted' : 'as_recorded') : 'refused'
    return { tenant: id, status: entry.record.status, outcome, changes, refusal }
  } catch (error) {
    if (!(error instanceof TenantryError) || error instanceof ServerUnknownError) throw error
    const why = error instanceof LoginFailedError ? error.message : `${error.code}: ${error.publicDetail}`
    return { tenant: id, status: record.status, outcome: 'refused', changes: [], refusal: why }
  }
}

async function look(acceptance: Acceptance, entry: Entry<'tenant'>) {
  const { status, origin, route } = entry.record
  if (route.server !== acceptance.server.id) return refused(`It is on server ${route.server} by now.`)
  switch (status) {
    case 'active':
    case 'suspended':
      return origin === 'provisioned'
        ? acceptProvisioned(acceptance, entry)
        : acceptRegistered(acceptance, entry)
    case 'deleting':
    case 'deleted':
      return { changes: origin === 'provisioned' ? await lockAgain(acceptance, entry) : [], refusal: null }
    case 'provisioning':
    case 'failed':
    case 'moving':
      return { changes: [], refusal: `It is ${status}: what is under way decides what becomes of it.` }
  }
}

async function tenantsOf(registry: Registry, server: string): Promise<Entry<'tenant'>[]> {
  const tenants: Entry<'tenant'>[] = []
  for await (const entry of everyEntry(registry, 'tenant', { server })) tenants.push(entry)
  return tenants
}

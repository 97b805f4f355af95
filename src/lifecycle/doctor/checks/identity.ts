import { type ErrorCode, TenantryError } from '../../../errors.ts'
import type { Entry } from '../../../registry/registry.ts'
import { targetOf } from '../../../registry/route.ts'
import { proveIdentity } from '../../../router/identity.ts'
import { sideBySide } from '../../../side-by-side.ts'
import { Session } from '../../session.ts'
import { type Found, some } from '../finding.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

/** Logins at once, within what the server has beside the budget: the admin has one of that. */
const MAX_AT_ONCE = 4
/** It is one cause for all tenants of a server. */
const OF_ALL: ReadonlySet<ErrorCode> = new Set(['sealing_failed', 'unsupported'])

/** Whether each tenant's route leads to its own database: by a login as the router makes it, or by the admin inside. */
export const identity: ServerCheck = {
  name: 'identity',
  async run(look): Promise<Found[]> {
    const atOnce = Math.max(1, Math.min(MAX_AT_ONCE, look.server.budget.headroom - 1))
    const failures: Failure[] = []
    await sideBySide(look.tenants, atOnce, async (entry) => {
      const error = look.signal.aborted ? null : await prove(look, entry)
      if (error !== null) failures.push({ tenant: entry.id, error })
    })
    const single = failures.filter(({ error }) => !OF_ALL.has(error.code))
    return [...single.map((failure) => told(look, failure)), ...toldTogether(look, failures)]
  },
}

interface Failure {
  readonly tenant: string
  readonly error: TenantryError
}

/** What is wrong; null where nothing is, or nothing can be said. */
async function prove(look: ServerLook, { record }: Entry<'tenant'>): Promise<TenantryError | null> {
  const { parts, server, signal } = look
  try {
    if (record.status === 'active') {
      await using session = await Session.readOnly(
        targetOf(record, server, parts.sealer, parts.registry.id),
        signal,
      )
      await proveIdentity(session.connection, record)
    } else if (record.status === 'suspended' && record.origin === 'provisioned') {
      await proveInside(look, record)
    }
    return null
  } catch (error) {
    if (error instanceof TenantryError && !signal.aborted) return error
    throw error
  }
}

/** As nobody may log in to it: as its owner. */
async function proveInside({ admin, catalog }: ServerLook, record: Entry<'tenant'>['record']): Promise<void> {
  const database = catalog.databases.get(record.route.database)
  if (admin === undefined || database === undefined || !database.isOurs) return
  await admin.inside(database.name, database.owner, (session) => proveIdentity(session.connection, record))
}

type Telling = (message: string, tenant: string, server: string) => Omit<Found, 'subject'>

const accept = (server: string) => `tenantry server accept ${server} --dry-run, then without it`

const TELLING: Partial<Record<ErrorCode, Telling>> = {
  identity_mismatch: (message, tenant) => ({
    severity: 'error',
    what: `Its route leads to what is not its database: ${message}.`,
    consequence: 'It is fenced: nothing is served to it until its record is right.',
    fix: `tenantry tenant show ${tenant}; its route is wrong, or its database was moved away`,
  }),
  identity_unknown: (message, _tenant, server) => ({
    severity: 'error',
    what: `Its database is not the one on record: ${message}.`,
    consequence: 'New connections are refused (502 identity_unknown), as after a restore or an upgrade.',
    fix: accept(server),
  }),
  login_failed: (message, _tenant, server) => ({
    severity: 'error',
    what: `Its login is refused: ${message}.`,
    consequence: 'Whatever needs a new connection is answered with 502 login_failed.',
    fix: accept(server),
  }),
}

function told({ server }: ServerLook, { tenant, error }: Failure): Found {
  const subject = `tenant ${tenant}`
  const telling = TELLING[error.code]
  if (telling) return { subject, ...telling(error.message, tenant, server.id) }
  return {
    severity: 'warning',
    subject,
    what: `Whether its database is its own could not be proved (${error.code}): ${error.message}.`,
    consequence: 'The router will meet the same when it opens a connection.',
    fix: `tenantry why ${tenant}`,
  }
}

function toldTogether({ server }: ServerLook, failures: readonly Failure[]): Found[] {
  return [...OF_ALL].flatMap((code): Found[] => {
    const alike = failures.filter(({ error }) => error.code === code)
    const [first] = alike
    if (first === undefined) return []
    return [
      {
        severity: code === 'sealing_failed' ? 'warning' : 'info',
        subject: `server ${server.id}`,
        what: `${alike.length} tenants could not be logged in to from here (${some(alike.map(({ tenant }) => tenant))}): ${first.error.message}.`,
        consequence: 'Whether their databases are their own was not looked at.',
        fix: code === 'sealing_failed' ? 'Run it where TENANTRY_MASTER_KEY is the key of the service' : null,
      },
    ]
  })
}

import { z } from 'zod'
import type { ConnectionTarget } from '../../connection/connection.ts'
import { InternalError, PreconditionFailedError, SqlError, TenantryError } from '../../errors.ts'
import { targetOf } from '../../registry/route.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { proveIdentity } from '../../router/identity.ts'
import { Secret } from '../../secret.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { randomPassword } from '../provision/names.ts'
import { setPassword } from '../provision/role-password.ts'
import { DEFAULT_ITERATIONS } from '../provision/scram-verifier.ts'
import type { AdminSessions } from '../server/admin-sessions.ts'
import { findServer } from '../server/server-view.ts'
import { Session } from '../session.ts'
import { changeTenant, findTenant } from '../tenant/change-tenant.ts'
import { adminOf, type CredentialView, forget, revokeCredential, viewCredential } from './credentials.ts'
import { numberOf, personNames } from './person-names.ts'
import { dropPersonRole, makePersonRole, type PersonRole, readBackPersonRole } from './person-role.ts'

const HOUR_MS = 3_600_000
/** That have not been revoked. Whoever needs more wants a role of the team's own. */
const MAX_CREDENTIALS = 20

export const IssueCredential = z.strictObject({
  /** Reading rights only. */
  readOnly: z.boolean().default(false),
  /** Milliseconds from now on in which the password is taken. */
  validForMs: z
    .int()
    .min(1_000)
    .max(30 * 24 * HOUR_MS)
    .default(8 * HOUR_MS),
})
export type IssueCredential = z.input<typeof IssueCredential>

export interface CredentialIssued {
  readonly credential: CredentialView
  /** A connection string with its password, which is not kept and cannot be shown again. */
  readonly dsn: Secret
  /** What a client needs besides. */
  readonly notes: readonly string[]
}

/**
 * Makes a login role for a person or a tool: the rights of the tenant's runtime, or only its reading ones, a password
 * with a verifier that every driver takes, and an end. Those of this tenant whose end has come are dropped.
 * @throws {TenantUnknownError | PreconditionFailedError | ServerUnavailableError}
 */
export async function issueCredential(
  parts: LifecycleParts,
  id: string,
  input: IssueCredential,
  actor: string,
): Promise<CredentialIssued> {
  const wanted = IssueCredential.parse(input)
  const before = await findTenant(parts.registry, id)
  refuseUnfit(before.record)
  await using sessions = await adminOf(parts, before.record)
  const server = await findServer(parts.registry, before.record.route.server)
  await revokeExpired(parts, before.record, actor)
  const role = await reserve(parts, id, wanted, actor)
  const { record } = await findTenant(parts.registry, id)
  if ((await sessions.logins([role.login])).has(role.login)) {
    await forget(parts.registry, id, role.login, actor)
    throw new PreconditionFailedError(
      `The server has a role ${role.login} that was not made for this: drop it.`,
    )
  }
  const password = randomPassword()
  try {
    await makePersonRole(sessions, record, role)
    await openTo(parts, sessions, server, role, password)
    await prove(parts, record, server, role, password)
    // Whoever deletes it says so first and locks its roles after: one of us sees the other.
    refuseUnfit((await findTenant(parts.registry, id)).record)
  } catch (error) {
    await undo(parts, sessions, record, role.login, actor)
    if (!(error instanceof SqlError)) throw error
    throw new PreconditionFailedError(`The credential could not be made: ${error.message}`)
  }
  const issued = record.credentials?.find((one) => one.role === role.login)
  if (issued === undefined) throw new InternalError(`the credential ${role.login} is not on record`)
  return {
    credential: viewCredential(issued),
    dsn: dsnOf(server, record.route.database, role.login, password),
    notes: notesOn(server),
  }
}

function refuseUnfit({ id, origin, status }: TenantRecord): void {
  if (origin !== 'provisioned')
    throw new PreconditionFailedError(
      `Tenant ${id} is registered: logins to its database are its owner's to make.`,
    )
  if (status !== 'active' && status !== 'suspended')
    throw new PreconditionFailedError(`Tenant ${id} is ${status}: no credentials are made for it.`)
}

/** One that cannot be dropped stays on record; it is shut as far as it could be. */
async function revokeExpired(parts: LifecycleParts, tenant: TenantRecord, actor: string): Promise<void> {
  for (const { role, expired } of (tenant.credentials ?? []).map(viewCredential)) {
    if (!expired) continue
    await revokeCredential(parts, tenant.id, role, actor).catch((error: unknown) => {
      if (!(error instanceof TenantryError)) throw error
    })
  }
}

/** On record before it is on the server: what is there is never unknown here. */
async function reserve(
  { registry }: LifecycleParts,
  id: string,
  { readOnly, validForMs }: z.output<typeof IssueCredential>,
  actor: string,
): Promise<PersonRole> {
  const validUntil = new Date(Date.now() + validForMs).toISOString()
  let chosen: PersonRole | undefined
  const audit = auditEntry(actor, 'tenant.credentials', id, { readOnly, validUntil })
  await changeTenant(registry, id, audit, (tenant) => {
    refuseUnfit(tenant)
    const { credentials = [] } = tenant
    if (credentials.length >= MAX_CREDENTIALS)
      throw new PreconditionFailedError(`Tenant ${id} has ${MAX_CREDENTIALS} credentials: revoke one.`)
    const names = personNames(tenant, readOnly)
    const login = names.login(Math.max(0, ...credentials.map(({ role }) => numberOf(role))) + 1)
    chosen = { login, group: names.group, readOnly, validUntil }
    const issued = { role: login, readOnly, validUntil, issuedBy: actor.slice(0, 128), issuedAt: now() }
    return { credentials: [...credentials, issued] }
  })
  if (chosen === undefined) throw new InternalError(`no credential was chosen for tenant ${id}`)
  return chosen
}

/** Last of all: until then nobody can log in as it. */
async function openTo(
  parts: LifecycleParts,
  sessions: AdminSessions,
  server: ServerRecord,
  role: PersonRole,
  password: Secret,
): Promise<void> {
  // Drivers of people refuse fewer iterations, whatever the routers' own roles have.
  const own = { ...parts, scramIterations: DEFAULT_ITERATIONS }
  const setting = { admin: () => sessions.home(), password: () => password, parts: own, server }
  await setPassword(setting, role.login)
  await readBackPersonRole(await sessions.home(), role)
}

async function prove(
  { sealer, registry }: LifecycleParts,
  tenant: TenantRecord,
  server: ServerRecord,
  { login }: PersonRole,
  password: Secret,
): Promise<void> {
  const target: ConnectionTarget = { ...targetOf(tenant, server, sealer, registry.id), user: login, password }
  await using session = await Session.readOnly(target)
  await proveIdentity(session.connection, tenant)
}

/** What cannot be dropped now stays on record, and can be revoked. */
async function undo(
  { registry }: LifecycleParts,
  sessions: AdminSessions,
  tenant: TenantRecord,
  login: string,
  actor: string,
): Promise<void> {
  try {
    await dropPersonRole(sessions, tenant, login)
    await forget(registry, tenant.id, login, actor)
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
  }
}

function dsnOf({ endpoints, tls }: ServerRecord, database: string, role: string, password: Secret): Secret {
  const { host = '', port = 0 } = endpoints.find((endpoint) => endpoint.role === 'primary') ?? {}
  const login = `${encodeURIComponent(role)}:${encodeURIComponent(password.reveal())}`
  const path = encodeURIComponent(database)
  if (host.startsWith('/'))
    return new Secret(`postgres://${login}@/${path}?host=${encodeURIComponent(host)}&port=${port}`)
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return new Secret(`postgres://${login}@${address}/${path}?sslmode=${tls.mode}`)
}

function notesOn({ id, tls }: ServerRecord): string[] {
  return [
    ...(tls.ca === null
      ? []
      : [`server ${id} has a certificate authority of its own: give its file as sslrootcert`]),
    ...(tls.clientCert === null
      ? []
      : [`server ${id} asks for a client certificate: give sslcert and sslkey`]),
    'sessions that are open when its time is over stay open until it is revoked',
  ]
}

import { z } from 'zod'
import { type ParsedDsn, parseDsn } from '../../connection/dsn.ts'
import { AlreadyExistsError, PreconditionFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { adminPasswordBinding } from '../../registry/route.ts'
import { ServerId, ServerRecord } from '../../registry/server-record.ts'
import { readPin } from '../../router/identity.ts'
import { Labels } from '../../tenant/tenant-record.ts'
import { auditEntry, type LifecycleParts, now } from '../parts.ts'
import { Session } from '../session.ts'
import { budgetWithin, type Capacity, measureCapacity } from './capacity.ts'
import { clusterSeen } from './cluster.ts'
import { addressOfDsn, serverOfDsn } from './server-of-dsn.ts'
import { allServers, type ServerView, viewServer } from './server-view.ts'
import { inTurn } from './turn.ts'

export const AddServer = z.strictObject({
  id: ServerId,
  /** A login on the server, in any database. */
  dsn: z.string().min(1).max(4096),
  /** Keep that login to provision tenants with. Without it, the login is used for the checks and forgotten. */
  provision: z.boolean().default(true),
  /** What stands at that address. Behind a pooler nothing is provisioned, and `maxConnections` must be given. */
  via: ServerRecord.shape.via,
  /** The name under which routers are given a function that makes the passwords of its roles. */
  passwordProvider: z.string().min(1).max(63).nullable().default(null),
  /** Connections for tenants. Default: 70 % of what the server gives to ordinary roles. */
  maxConnections: z.int().positive().optional(),
  /** Connections beside those: admin, cancel, terminate. */
  headroom: z.int().min(1).max(100).default(3),
  labels: Labels.default({}),
})
export type AddServer = z.input<typeof AddServer>

export interface ServerAdded {
  readonly server: ServerView
  readonly capacity: Capacity
  /** False where the server was on record and its login, budget or labels were replaced. */
  readonly created: boolean
  /** What should be better, with the statement that makes it so. */
  readonly warnings: readonly string[]
}

/**
 * Puts a database server on record after a login has shown that it can do what is asked of it. A server of
 * the same id and address is updated.
 * @throws {InvalidDsnError | PreconditionFailedError | AlreadyExistsError | LoginFailedError | TlsFailedError | ServerUnavailableError}
 */
export async function addServer(
  parts: LifecycleParts,
  input: AddServer,
  actor: string,
): Promise<ServerAdded> {
  const wanted = AddServer.parse(input)
  const dsn = parseDsn(wanted.dsn)
  await sameServer(parts, wanted.id, dsn)
  if (wanted.via !== 'direct') refuseForPooler(wanted)
  if (wanted.provision && wanted.passwordProvider !== null) {
    throw new PreconditionFailedError(
      'Tenants that are provisioned have passwords of their own: say --no-provision.',
    )
  }
  await using session = await Session.readOnly({ ...dsn, via: wanted.via })
  const capacity = await measureCapacity(session)
  if (wanted.provision) await checkAdmin(session, capacity, wanted.headroom)
  const warnings = wanted.provision ? await openToAll(session) : []
  const seen = {
    ...addressOfDsn(dsn, wanted.id, parts.sealer, parts.registry.id),
    admin: wanted.provision ? adminOf(parts, wanted.id, dsn) : null,
    budget: budgetOf(wanted, capacity),
  }
  const pin = await readPin(session.connection)
  const audit = auditEntry(actor, 'server.add', wanted.id, { provision: wanted.provision })
  // Every tenant that is registered there changes the record too.
  return await inTurn(async () => {
    const before = await sameServer(parts, wanted.id, dsn)
    const record: ServerRecord = {
      ...before?.record,
      id: wanted.id,
      ...seen,
      via: wanted.via,
      passwordProvider: wanted.passwordProvider,
      labels: wanted.labels,
      cluster: clusterSeen(pin, before?.record.cluster),
      createdAt: before?.record.createdAt ?? now(),
      updatedAt: now(),
    }
    const [revision = 0] = await parts.registry.commit(
      { puts: [{ kind: 'server', id: wanted.id, record }], audit },
      [{ kind: 'server', id: wanted.id, revision: before?.revision ?? 0 }],
    )
    return { server: viewServer(record, revision), capacity, created: before === undefined, warnings }
  })
}

type Wanted = z.output<typeof AddServer>

function refuseForPooler({ provision, maxConnections }: Wanted): void {
  if (provision) {
    throw new PreconditionFailedError(
      'Nothing is provisioned through a pooler: add its address with --no-provision, and that of Postgres itself beside it.',
    )
  }
  if (maxConnections !== undefined) return
  throw new PreconditionFailedError(
    'How many clients a pooler takes, the server behind it does not say: give --max-connections.',
  )
}

/** What the server has is no bound on the clients of a pooler before it. */
function budgetOf({ via, maxConnections, headroom }: Wanted, capacity: Capacity): ServerRecord['budget'] {
  if (via === 'direct' || maxConnections === undefined)
    return budgetWithin(capacity, { maxConnections, headroom })
  return { maxConnections, headroom }
}

async function sameServer(
  { registry }: LifecycleParts,
  id: string,
  dsn: ParsedDsn,
): Promise<Entry<'server'> | undefined> {
  const servers = await allServers(registry)
  const there = serverOfDsn(servers, dsn)
  const named = servers.find((entry) => entry.id === id)
  if (named !== undefined && named.id !== there?.id) throw new AlreadyExistsError('server', id)
  if (there !== undefined && there.id !== id) {
    throw new PreconditionFailedError(`That server is on record as ${there.id}.`)
  }
  return there
}

const Powers = z.object({ superuser: z.boolean(), createDb: z.boolean(), createRole: z.boolean() })

/** An admin that is superuser could be turned against every database by whatever a tenant plants in its own. */
async function checkAdmin(session: Session, { roleLimit }: Capacity, headroom: number): Promise<void> {
  const powers = await session.row(
    Powers,
    `select rolsuper as superuser, rolcreatedb as "createDb", rolcreaterole as "createRole"
       from pg_catalog.pg_roles where rolname = session_user`,
  )
  const faults = [
    powers.superuser ? 'is a superuser and must not be' : '',
    powers.createDb ? '' : 'lacks CREATEDB',
    powers.createRole ? '' : 'lacks CREATEROLE',
    roleLimit !== undefined && roleLimit < headroom
      ? `has a CONNECTION LIMIT of ${roleLimit}, less than the headroom of ${headroom}`
      : '',
  ].filter(Boolean)
  if (faults.length === 0) return
  throw new PreconditionFailedError(
    `The login cannot provision: it ${faults.join(', ')}. Make one with: CREATE ROLE tenantry_admin LOGIN CREATEDB CREATEROLE PASSWORD '…'`,
  )
}

function adminOf(parts: LifecycleParts, id: string, dsn: ParsedDsn): ServerRecord['admin'] {
  const { adminSealer, registry } = parts
  if (dsn.password === undefined) return { role: dsn.user, password: null, database: dsn.database }
  if (adminSealer === undefined) {
    throw new PreconditionFailedError(
      'Keeping an admin login needs TENANTRY_ADMIN_KEY, under which its password is sealed.',
    )
  }
  const password = adminSealer.seal(dsn.password, adminPasswordBinding(registry.id, id))
  return { role: dsn.user, password, database: dsn.database }
}

/** Databases of the server itself that every role may enter; only their owner can close them. */
async function openToAll(session: Session): Promise<string[]> {
  const rows = await session.rows(
    z.object({ name: z.string() }),
    `select d.datname::text as name from pg_catalog.pg_database d
      where d.datallowconn and d.datname in ('postgres', 'template1')
        and (d.datacl is null or exists (select from pg_catalog.aclexplode(d.datacl) a
          where a.grantee = 0 and a.privilege_type = 'CONNECT'))
      order by 1`,
  )
  return rows.map(
    ({ name }) =>
      `Every role of the server may connect to database ${name}. Its owner can close it: REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`,
  )
}

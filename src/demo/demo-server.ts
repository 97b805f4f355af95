import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ConnectionTarget } from '../connection/connection.ts'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import { auditEntry, now } from '../lifecycle/parts.ts'
import { scramVerifier } from '../lifecycle/provision/scram-verifier.ts'
import { addServer } from '../lifecycle/server/add-server.ts'
import { Session } from '../lifecycle/session.ts'
import { quoteText } from '../lifecycle/sql-name.ts'
import { Secret } from '../secret.ts'
import type { EmbeddedPostgres } from './embedded-postgres.ts'

export const DEMO_SERVER = 'demo'
const ADMIN = 'tenantry_admin'

/**
 * Makes the embedded Postgres a server as one should be: an admin that is no superuser, with a password of
 * this run, and nobody else in the databases that every cluster has.
 * @returns the admin's password, and what tells this cluster from another.
 */
export async function prepareCluster(
  postgres: EmbeddedPostgres,
): Promise<{ password: Secret; systemIdentifier: string }> {
  const password = new Secret(randomBytes(32).toString('base64url'))
  await using session = await Session.open(superuserTarget(postgres))
  await session.create(`create role ${ADMIN} login createdb createrole`)
  await session.execute(`alter role ${ADMIN} password ${quoteText(await scramVerifier(password))}`)
  for (const database of ['postgres', 'template1']) {
    await session.execute(`revoke connect, temporary on database ${database} from public`)
  }
  await session.execute(`grant connect on database postgres to ${ADMIN}`)
  const { id } = await session.row(
    z.object({ id: z.string() }),
    'select system_identifier::text as id from pg_catalog.pg_control_system()',
  )
  return { password, systemIdentifier: id }
}

/** Puts the cluster on record, under the port that it has this time. */
export async function recordServer(
  parts: LifecycleParts,
  postgres: EmbeddedPostgres,
  password: Secret,
  actor: string,
): Promise<void> {
  await followPort(parts, postgres.port, actor)
  const dsn = `postgres://${ADMIN}:${password.reveal()}@${postgres.host}:${postgres.port}/postgres?sslmode=disable`
  await addServer(parts, { id: DEMO_SERVER, dsn }, actor)
}

/** The cluster is the same one wherever it listens: its port may have been taken since the last run. */
async function followPort({ registry }: LifecycleParts, port: number, actor: string): Promise<void> {
  const entry = await registry.find('server', DEMO_SERVER)
  if (entry === undefined) return
  const endpoints = entry.record.endpoints.map((endpoint) => ({ ...endpoint, port }))
  const record = { ...entry.record, endpoints, updatedAt: now() }
  await registry.commit(
    {
      puts: [{ kind: 'server', id: DEMO_SERVER, record }],
      audit: auditEntry(actor, 'server.add', DEMO_SERVER, { port }),
    },
    [{ kind: 'server', id: DEMO_SERVER, revision: entry.revision }],
  )
}

function superuserTarget({ host, port, superuser, password }: EmbeddedPostgres): ConnectionTarget {
  return { host, port, user: superuser, password, database: 'postgres', tls: { mode: 'disable' } }
}

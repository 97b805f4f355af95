import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { Secret } from '../../src/secret.ts'
import { managementDatabase } from '../ground/management-database.ts'
import type { Stage } from '../scenario.ts'

/** A fleet without tenants: a registry of its own in Postgres, and the server of the stage under an admin of its own. */
export interface Fleet extends AsyncDisposable {
  readonly parts: LifecycleParts
  /** Of the admin, who may make databases and roles and nothing more. */
  readonly dsn: string
}

/** What is made in it is gone with it. */
export async function openFleet(stage: Stage): Promise<Fleet> {
  const admin = `maker_${randomBytes(6).toString('hex')}`
  const password = randomBytes(24).toString('hex')
  await onServer(stage, (client) =>
    client.query(`create role ${admin} login createdb createrole password '${password}'`),
  )
  const { host, port } = stage.postgres
  const dsn = `postgres://${admin}:${password}@${host}:${port}/postgres?sslmode=disable`
  const registry = await openRegistry(new Secret(await managementDatabase(stage.ground)))
  const sealer = () => new Sealer(MasterKeys.fromText(generateMasterKey()))
  const parts = { registry, sealer: sealer(), adminSealer: sealer() }
  await addServer(parts, { id: 'main', dsn }, 'bench')
  return {
    parts,
    dsn,
    [Symbol.asyncDispose]: async () => {
      await registry.close()
      await onServer(stage, (client) => clear(client, admin))
    },
  }
}

/** Databases that the admin or a role made by it owns, and those roles. */
async function clear(client: pg.Client, admin: string): Promise<void> {
  const { rows: databases } = await client.query<{ name: string }>(
    `select quote_ident(datname) as name from pg_database d join pg_roles r on r.oid = d.datdba
      where r.rolname = $1 or r.rolname ~ '^t_.*_owner$'`,
    [admin],
  )
  for (const { name } of databases) await client.query(`drop database ${name} with (force)`)
  const { rows: roles } = await client.query<{ name: string }>(
    `select quote_ident(rolname) as name from pg_roles where rolname ~ '^t_'`,
  )
  for (const { name } of roles) await client.query(`drop role ${name}`)
  await client.query(`drop role ${admin}`)
}

async function onServer(stage: Stage, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(stage.ground.adminDsn())
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { targetOf } from '../../src/registry/route.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { type PostgresServer, sharedPostgres } from '../support/postgres.ts'

export const randomName = (stem: string) => `${stem}_${randomBytes(6).toString('hex')}`

/** A file registry, and on a real server an admin that is no superuser. Everything made there is dropped at the end. */
export class LifecycleGround implements AsyncDisposable {
  readonly server: PostgresServer
  readonly parts: LifecycleParts
  readonly registry: Registry
  readonly admin: { readonly role: string; readonly dsn: string }
  readonly folder: string
  readonly #databases: string[] = []
  readonly #roles: string[] = []
  readonly #clients: pg.Client[] = []

  constructor(
    folder: string,
    server: PostgresServer,
    registry: Registry,
    admin: { readonly role: string; readonly dsn: string },
  ) {
    this.folder = folder
    this.server = server
    this.registry = registry
    this.admin = admin
    const sealer = () => new Sealer(MasterKeys.fromText(generateMasterKey()))
    this.parts = { registry, sealer: sealer(), adminSealer: sealer() }
  }

  static async start(version: 15 | 18): Promise<LifecycleGround> {
    const server = sharedPostgres(version)
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-lifecycle-'))
    const role = randomName('admin')
    await server.createRole(role, 'pw', 'createdb createrole')
    const registry = await FileRegistry.open(join(folder, 'registry.yaml'))
    return new LifecycleGround(folder, server, registry, { role, dsn: server.dsn('postgres', role, 'pw') })
  }

  /** With the server on record as `main`. */
  static async withServer(version: 15 | 18): Promise<LifecycleGround> {
    const ground = await LifecycleGround.start(version)
    await addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn }, 'test')
    return ground
  }

  async tenant(id: string): Promise<TenantRecord> {
    const entry = await this.registry.find('tenant', id)
    if (!entry) throw new Error(`no tenant ${id}`)
    return entry.record
  }

  /** As the router would log in, or into another database with the same login. */
  async connect(id: string, database?: string): Promise<pg.Client> {
    const tenant = await this.tenant(id)
    const server = await this.registry.find('server', tenant.route.server)
    if (!server) throw new Error(`no server ${tenant.route.server}`)
    const target = targetOf(tenant, server.record, this.parts.sealer, this.registry.id)
    const client = new pg.Client({
      host: target.host,
      port: target.port,
      user: target.user,
      password: target.password?.reveal(),
      database: database ?? target.database,
    })
    client.on('error', () => undefined) // ended by the server, where that is what the test is about
    await client.connect()
    this.#clients.push(client)
    return client
  }

  /** A login role and its databases, made by somebody else than us. */
  async foreign(role: string, databases: readonly string[]): Promise<(database: string) => string> {
    await this.server.execute(`create role ${pg.escapeIdentifier(role)} login password 'pw'`)
    this.#roles.push(role)
    for (const database of databases) {
      await this.server.createDatabase(database, { owner: role })
      this.#databases.push(database)
    }
    return (database) => this.server.dsn(database, role, 'pw')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.end()
    const made = await this.registry.list('tenant', undefined, { limit: 1000 })
    await this.registry.close()
    for (const { record } of made.entries) {
      if (record.origin === 'provisioned') this.#databases.push(record.route.database)
    }
    for (const database of this.#databases) await this.server.dropDatabase(database)
    for (const database of this.#databases) {
      for (const end of ['_a', '_b', '_owner']) await this.server.dropRole(`${database}${end}`)
    }
    for (const role of [...this.#roles, this.admin.role]) await this.server.dropRole(role)
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** The SQLSTATE that a statement is refused with, or undefined where it is not. */
export async function sqlstateOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  )
}

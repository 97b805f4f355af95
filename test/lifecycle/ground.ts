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
import type { Secret } from '../../src/secret.ts'
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
  readonly keys = { master: generateMasterKey(), admin: generateMasterKey() }
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
    const sealer = (key: Secret) => new Sealer(MasterKeys.fromText(key))
    this.parts = { registry, sealer: sealer(this.keys.master), adminSealer: sealer(this.keys.admin) }
  }

  static start(version: 15 | 18): Promise<LifecycleGround> {
    return LifecycleGround.#startOn(sharedPostgres(version))
  }

  /** On a server of the test's own, which is on record as `main`. */
  static async on(server: PostgresServer): Promise<LifecycleGround> {
    const ground = await LifecycleGround.#startOn(server)
    await addServer(ground.parts, { id: 'main', dsn: ground.admin.dsn }, 'test')
    return ground
  }

  static async #startOn(server: PostgresServer): Promise<LifecycleGround> {
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

  /** Databases that the registry has as made by us. */
  async #made(): Promise<string[]> {
    const tenants = await this.registry.list('tenant', undefined, { limit: 1000 })
    const made = tenants.entries.filter(({ record }) => record.origin === 'provisioned')
    const servers = (await this.registry.list('server')).entries.map(({ record }) => record)
    const templates = servers.flatMap((server) => server.templates ?? []).map(({ database }) => database)
    for (const database of templates)
      await this.server.execute(`alter database ${database} is_template false`)
    const spares = servers.flatMap((server) => server.spares?.ready ?? []).map(({ database }) => database)
    return [...made.map(({ record }) => record.route.database), ...templates, ...spares]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.end()
    this.#databases.push(...(await this.#made()))
    await this.registry.close()
    for (const database of this.#databases) await this.server.dropDatabase(database)
    const roles = await this.server.query<{ name: string }>(
      `select quote_ident(r.rolname) as name from pg_roles r, unnest($1::text[]) d where starts_with(r.rolname, d || '_')`,
      [this.#databases],
    )
    if (roles.length > 0) await this.server.execute(`drop role ${roles.map(({ name }) => name).join(', ')}`)
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

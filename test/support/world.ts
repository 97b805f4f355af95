import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { Directory } from '../../src/registry/directory.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import type { ServerRecord } from '../../src/registry/server-record.ts'
import { AppRouter } from '../../src/router/app-router.ts'
import type { LeaseOptions } from '../../src/router/lease-options.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { type Connect, RouteOpener } from '../../src/router/route-opener.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { type PostgresServer, sharedPostgres } from './postgres.ts'
import { audit, putServer, putTenants, recordOf } from './world-records.ts'

/** Databases that are made or dropped at the same time. */
const AT_ONCE = 4

export interface WorldOptions extends RouterOptions {
  /** Default: the Postgres 18 that the run shares. */
  readonly server?: PostgresServer
  /** Where the router reaches it, as through a fault proxy. Default: directly. */
  readonly address?: { readonly host: string; readonly port: number }
  /** What stands at that address. Default: Postgres itself. */
  readonly via?: ServerRecord['via']
  /** Connections of all tenants together on the server. */
  readonly serverBudget?: number
  /** By which driver. Default: postgres.js. */
  readonly connect?: Connect
  readonly limits?: Partial<TenantRecord['limits']>
  /** Further tenants, in the database of the first: for tests that need many and look at none of their rows. */
  readonly lodgers?: readonly string[]
}

/** A tenant's database and the isolated role that reaches it; the names are random. */
export interface TenantPlace {
  readonly database: string
  readonly role: string
  readonly password: string
  /** What only this database has. */
  readonly pin: { readonly identifier: string; readonly oid: number }
}

/**
 * A router over a file registry, and a real database for each tenant with 20 rows of its own:
 * `notes(id int, tenant text, body text)`. Databases are dropped without FORCE at the end, so a session that
 * anyone leaked fails the test.
 */
export class World implements AsyncDisposable {
  readonly server: PostgresServer
  readonly registry: Registry
  readonly directory: Directory
  readonly router: AppRouter
  /** What opens the router's connections, and looks after those it lost. */
  readonly opener: RouteOpener
  readonly places: ReadonlyMap<string, TenantPlace>
  readonly #folder: string
  readonly #newRouter: (directory: Directory) => AppRouter

  constructor(
    folder: string,
    server: PostgresServer,
    registry: Registry,
    places: ReadonlyMap<string, TenantPlace>,
    opener: RouteOpener,
    newRouter: (directory: Directory) => AppRouter,
  ) {
    this.#folder = folder
    this.server = server
    this.registry = registry
    this.places = places
    this.opener = opener
    this.directory = new Directory(registry)
    this.#newRouter = newRouter
    this.router = newRouter(this.directory)
  }

  /** Another one beside the world's own, with the same options; whoever asked for it closes it. */
  newRouter(): AppRouter {
    return this.#newRouter(this.directory)
  }

  lease(tenant: string, options: LeaseOptions = {}) {
    return this.router.lease(tenant, options)
  }

  placeOf(tenant: string): TenantPlace {
    const place = this.places.get(tenant)
    if (!place) throw new Error(`there is no tenant ${tenant} in this world`)
    return place
  }

  /** As the server counts them, not as we do. */
  sessionsOf(tenant: string): Promise<number> {
    return this.server.sessionsOf(this.placeOf(tenant).database)
  }

  /** Sessions of all tenants of this world. */
  async sessions(): Promise<number> {
    const names = [...this.places.values()].map(({ database }) => database)
    const [row] = await this.server.query<{ count: number }>(
      "select count(*)::int as count from pg_stat_activity where datname = any($1) and backend_type = 'client backend'",
      [names],
    )
    return row?.count ?? 0
  }

  /** In the tenant's database, as superuser. */
  execute(tenant: string, text: string): Promise<void> {
    return this.server.execute(text, this.placeOf(tenant).database)
  }

  /** Commits a changed record; resolves before anyone has heard of it. */
  async change(tenant: string, change: (record: TenantRecord) => TenantRecord): Promise<void> {
    const entry = await this.registry.find('tenant', tenant)
    if (!entry) throw new Error(`there is no tenant ${tenant} in the registry`)
    await this.registry.commit(
      { puts: [{ kind: 'tenant', id: tenant, record: change(entry.record) }], audit: audit(tenant) },
      [{ kind: 'tenant', id: tenant, revision: entry.revision }],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.router.close()
    await this.directory.close()
    await this.registry.close()
    await inParallel([...this.places.values()], async ({ database, role }) => {
      await this.server.dropDatabase(database)
      await this.server.dropRole(role)
    })
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export async function startWorld(tenants: readonly string[], options: WorldOptions = {}): Promise<World> {
  const {
    server = sharedPostgres(),
    address = server,
    via = 'direct',
    serverBudget = 100,
    limits,
    lodgers = [],
    connect,
    ...routerOptions
  } = options
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-world-'))
  const registry = await FileRegistry.open(join(folder, 'registry.yaml'))
  const sealer = new Sealer(MasterKeys.fromText(generateMasterKey()))
  const resolved = RouterOptions.parse(routerOptions)
  const places = new Map<string, TenantPlace>()
  const template = await makeTemplate(server)
  try {
    await putServer(registry, address, via, serverBudget)
    const made = await inParallel(tenants, (tenant) => makePlace(server, tenant, template))
    for (const [at, place] of made.entries()) places.set(tenants[at] ?? '', place)
    const [house] = places.values()
    const homes = [...places, ...lodgers.flatMap((lodger) => (house ? [[lodger, house] as const] : []))]
    const generation = await registry.nextGeneration()
    const records = homes.map(([tenant, place]) => {
      return recordOf(registry.id, sealer, generation, tenant, place, limits)
    })
    await putTenants(registry, records)
  } finally {
    await server.dropDatabase(template)
  }
  const opener = new RouteOpener(sealer, registry.id, resolved, connect)
  const backends = {
    open: opener.open.bind(opener),
    confirmGone: opener.confirmGone.bind(opener),
  }
  return new World(
    folder,
    server,
    registry,
    places,
    opener,
    (directory) => new AppRouter({ directory, registry, backends }, routerOptions),
  )
}

async function makeTemplate(server: PostgresServer): Promise<string> {
  const name = randomName('template')
  await server.createDatabase(name)
  await server.execute(
    'create table notes (id int primary key, tenant text not null, body text not null)',
    name,
  )
  return name
}

/** A few at a time; the answers are in the order of the items. */
export async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = []
  for (let at = 0; at < items.length; at += AT_ONCE) {
    answers.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))))
  }
  return answers
}

async function makePlace(server: PostgresServer, tenant: string, template: string): Promise<TenantPlace> {
  const [database, role, password] = [randomName('db'), randomName('role'), randomBytes(16).toString('hex')]
  await server.createRole(role, password)
  await server.createDatabase(database, { template })
  await server.execute(
    `revoke connect, temporary on database ${database} from public;
     grant connect, temporary on database ${database} to ${role};
     grant usage, create on schema public to ${role};
     grant select, insert, update, delete, truncate on notes to ${role};
     insert into notes select n, ${pg.escapeLiteral(tenant)}, repeat(${pg.escapeLiteral(`${tenant} `)}, n)
       from generate_series(1, 20) n`,
    database,
  )
  const [pin] = await server.query<TenantPlace['pin']>(
    `select system_identifier::text as identifier, oid::int as oid
     from pg_control_system(), pg_database where datname = $1`,
    [database],
  )
  if (!pin) throw new Error(`there is no database ${database}`)
  return { database, role, password, pin }
}

function randomName(kind: string): string {
  return `t_${kind}_${randomUUID().replaceAll('-', '')}`
}

import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:net'
import { vi } from 'vitest'
import { TenantPool } from '../../src/pg/tenant-pool.ts'
import { runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startWorld, type World } from '../support/world.ts'

export const TENANTS = ['acme', 'globex'] as const
export type Tenant = (typeof TENANTS)[number]

const SCHEMA = `
  create table projects (id serial primary key, name text not null unique, price numeric(10, 2), views int8,
    data jsonb, tags text[], at timestamptz(3));
  create table tasks (id serial primary key, project_id int not null references projects on delete cascade,
    title text not null);
  grant all on projects, tasks to public;
  grant all on all sequences in schema public to public`

/**
 * Two tenants with the tables of an app, a pool for whoever is ambient, and a listener where everything in the
 * environment says that a Postgres server is: what goes past the router is counted there.
 */
export class OrmGround implements AsyncDisposable {
  readonly world: World
  /** Of the ambient tenant. */
  readonly pool: TenantPool
  readonly #listener: Server
  readonly #opened = new Set<number>()
  #strangers = 0

  constructor(world: World, listener: Server) {
    this.world = world
    this.pool = new TenantPool(world.router)
    this.#listener = listener
    listener.on('connection', (socket) => {
      this.#strangers++
      socket.destroy()
    })
    world.router.on('opened', ({ pid }) => this.#opened.add(pid))
    vi.stubEnv('PGHOST', '127.0.0.1')
    // Of a listener on a port it is that.
    vi.stubEnv('PGPORT', String((listener.address() as AddressInfo).port))
    vi.stubEnv('DATABASE_URL', `postgres://127.0.0.1:${process.env['PGPORT']}/past`)
  }

  static async start(): Promise<OrmGround> {
    const world = await startWorld(TENANTS)
    for (const tenant of TENANTS) {
      await world.execute(tenant, SCHEMA)
      await world.execute(
        tenant,
        `insert into projects (name, price, views, data, tags, at) values
           ('${tenant} one', 12.50, 9007199254740993, '{"of": "${tenant}"}', '{a,"b c"}', '2026-01-02 03:04:05.678+00');
         insert into tasks (project_id, title) values (1, '${tenant} first'), (1, '${tenant} second')`,
      )
    }
    const listener = createServer()
    await new Promise<void>((resolve) => {
      listener.listen(0, '127.0.0.1', resolve)
    })
    return new OrmGround(world, listener)
  }

  as<T>(tenant: Tenant, work: () => T): T {
    return runAsTenant(parseTenantId(tenant), work)
  }

  /** `work` for each tenant in turns, many at once; `work` says whose data it saw. */
  async interleaved(times: number, work: (tenant: Tenant) => Promise<void>): Promise<void> {
    const turns = Array.from({ length: times }, (_, at) => TENANTS[at % TENANTS.length] ?? 'acme')
    await Promise.all(turns.map((tenant) => this.as(tenant, () => work(tenant))))
  }

  /** Connections where the environment points, and sessions in the tenants' databases that the router did not open. */
  async strangers(): Promise<{ past: number; sessions: unknown[]; own: number }> {
    const names = [...this.world.places.values()].map(({ database }) => database)
    const sessions = await this.world.server.query<{ pid: number }>(
      "select pid, usename, application_name from pg_stat_activity where datname = any($1) and backend_type = 'client backend'",
      [names],
    )
    const foreign = sessions.filter(({ pid }) => !this.#opened.has(pid))
    return { past: this.#strangers, sessions: foreign, own: sessions.length - foreign.length }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    vi.unstubAllEnvs()
    if (!this.pool.ending) await this.pool.end()
    await this.world[Symbol.asyncDispose]()
    await new Promise((resolve) => {
      this.#listener.close(resolve)
    })
  }
}

/** What `strangers()` says where all went through the router. */
export const NOBODY = { past: 0, sessions: [] }

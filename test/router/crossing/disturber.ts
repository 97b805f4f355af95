import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { inParallel, type World } from '../../support/world.ts'
import { secondRole } from './traces.ts'

export interface Disturbances {
  /** Milliseconds from one to the next, on average. */
  readonly killEveryMs: number
  readonly rotateEveryMs: number
}

/** Ends random backends and rotates the logins of random tenants, until it is ended. */
export class Disturber {
  readonly #world: World
  readonly #client: pg.Client
  readonly #tenants: readonly string[]
  readonly #stop = new AbortController()
  readonly #under: Promise<unknown>
  kills = 0
  rotations = 0

  private constructor(world: World, client: pg.Client, { killEveryMs, rotateEveryMs }: Disturbances) {
    this.#world = world
    this.#client = client
    this.#tenants = [...world.places.keys()]
    this.#under = Promise.all([
      this.#every(killEveryMs, () => this.#kill()),
      this.#every(rotateEveryMs, () => this.#rotate()),
    ])
  }

  static async start(world: World, disturbances: Disturbances): Promise<Disturber> {
    await inParallel([...world.places.keys()], (tenant) => giveSecondLogin(world, tenant))
    return new Disturber(world, await world.server.connect(), disturbances)
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#under
    await this.#client.end()
  }

  async #every(ms: number, act: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await delay(ms * 2 * Math.random(), undefined, { signal }).catch(() => {})
      if (!signal.aborted) await act()
    }
  }

  async #kill(): Promise<void> {
    const names = [...this.#world.places.values()].map(({ database }) => database)
    const { rows } = await this.#client.query(
      `select pg_terminate_backend(pid) as killed from pg_stat_activity
        where datname = any($1) and backend_type = 'client backend' order by random() limit 1`,
      [names],
    )
    if (rows[0]?.killed) this.kills++
  }

  /** To the other of its two logins, as a rotation goes. */
  async #rotate(): Promise<void> {
    const tenant = this.#tenants[Math.floor(Math.random() * this.#tenants.length)] ?? ''
    const { role } = this.#world.placeOf(tenant)
    await this.#world.change(tenant, (record) => ({
      ...record,
      epoch: record.epoch + 1,
      route: { ...record.route, role: record.route.role === role ? secondRole(role) : role },
    }))
    this.rotations++
  }
}

async function giveSecondLogin(world: World, tenant: string): Promise<void> {
  const { database, role, password } = world.placeOf(tenant)
  await world.server.createRole(secondRole(role), password)
  await world.execute(
    tenant,
    `create table ledger (n int primary key, tenant text); grant all on ledger to ${role}, ${secondRole(role)};
     grant connect, temporary on database ${database} to ${secondRole(role)};
     grant usage, create on schema public to ${secondRole(role)};
     grant select, insert, update, delete, truncate on notes to ${secondRole(role)}`,
  )
}

/** To be called once the world's databases have gone. */
export async function dropSecondLogins(world: World): Promise<void> {
  await inParallel([...world.places.values()], ({ role }) => world.server.dropRole(secondRole(role)))
}

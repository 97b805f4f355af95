import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { World } from '../../support/world.ts'

const SAMPLE_MS = 10

/** What the connections beside the budget say they are; see `namingHeadroom`. */
export const HEADROOM = 'headroom'

/**
 * The most sessions that the server ever had of this world, looked at all the time by a session of its own. The
 * server's own workers (autovacuum) are in those databases too, and are nobody's sessions.
 */
export class SessionWatch {
  readonly #client: pg.Client
  readonly #names: string[]
  readonly #watching: Promise<void>
  #isOver = false
  /** Within the budget. */
  most = 0
  mostHeadroom = 0
  samples = 0

  private constructor(client: pg.Client, world: World) {
    this.#client = client
    this.#names = [...world.places.values()].map(({ database }) => database)
    this.#watching = this.#watch()
  }

  static async start(world: World): Promise<SessionWatch> {
    return new SessionWatch(await world.server.connect(), world)
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const { rows } = await this.#client.query(
        `select count(*) filter (where application_name <> $2)::int as own,
           count(*) filter (where application_name = $2)::int as headroom
           from pg_stat_activity where datname = any($1) and backend_type = 'client backend'`,
        [this.#names, HEADROOM],
      )
      this.most = Math.max(this.most, rows[0]?.own)
      this.mostHeadroom = Math.max(this.mostHeadroom, rows[0]?.headroom)
      this.samples++
      await delay(SAMPLE_MS)
    }
    await this.#client.end()
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#watching
  }
}

import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { startWorld, type World, type WorldOptions } from '../support/world.ts'

export interface PooledWorldOptions extends Omit<WorldOptions, 'address' | 'server' | 'via'> {
  readonly poolMode?: 'transaction' | 'session'
  /** Connections to the server for one tenant. Default: 20. */
  readonly poolSize?: number
  /** Further lines of the pooler's configuration. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** A world whose router reaches the server through a real PgBouncer. */
export class PooledWorld implements AsyncDisposable {
  readonly world: World
  readonly pooler: PgBouncer

  constructor(world: World, pooler: PgBouncer) {
    this.world = world
    this.pooler = pooler
  }

  get router() {
    return this.world.router
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world.router.close()
    // It keeps its connections to the server, in databases that the world is about to drop.
    await this.pooler.stop()
    await this.world[Symbol.asyncDispose]()
  }
}

export async function startPooledWorld(
  tenants: readonly string[],
  { poolMode = 'transaction', poolSize = 20, settings = {}, ...options }: PooledWorldOptions = {},
): Promise<PooledWorld> {
  const server = sharedPostgres()
  const { user, password } = server.superuser
  const pooler = await startPgBouncer({
    server,
    poolMode,
    authUser: { name: user, password },
    defaultPoolSize: poolSize,
    settings,
  })
  try {
    const address = { host: pooler.host, port: pooler.port }
    const via = `${poolMode}-pooler` as const
    return new PooledWorld(await startWorld(tenants, { ...options, server, address, via }), pooler)
  } catch (error) {
    await pooler.stop()
    throw error
  }
}

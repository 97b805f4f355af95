import type { Command } from 'commander'
import { z } from 'zod'
import { askService } from '../ask-service.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { table } from '../table.ts'

const Counts = { idle: z.int(), leased: z.int(), opening: z.int(), closing: z.int(), quarantined: z.int() }

/** Those parts of the service's snapshot that are shown; it may hold more. */
const Snapshot = z.looseObject({
  connections: z.looseObject({ ...Counts, out: z.int(), limit: z.int() }),
  pools: z.array(
    z.looseObject({
      ...Counts,
      tenant: z.string(),
      server: z.string(),
      waiting: z.int(),
      idleMs: z.number(),
    }),
  ),
  poolsLimit: z.int(),
  waiters: z.int(),
})

export function addPoolStats(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('stats'))
    .description('connections and pools of a running service (TENANTRY_OPS_URL, TENANTRY_OPERATOR_KEY)')
    .action(async (_options: unknown, command: Command) => {
      const stats = Snapshot.parse(await askService(cli, command, '/v1/pools'))
      const { connections, pools } = stats
      const rows = pools.map((pool) => [
        pool.tenant,
        pool.server,
        pool.leased,
        pool.idle,
        pool.opening,
        pool.waiting,
        `${Math.round(pool.idleMs / 1000)} s`,
      ])
      answer(cli, command, stats, [
        `connections ${connections.out} of ${connections.limit}: leased ${connections.leased}, idle ${connections.idle}, ` +
          `opening ${connections.opening}, closing ${connections.closing}, quarantined ${connections.quarantined}`,
        `pools ${pools.length} of ${stats.poolsLimit}, waiting requests ${stats.waiters}`,
        ...table(['TENANT', 'SERVER', 'LEASED', 'IDLE', 'OPENING', 'WAITING', 'LAST USED'], rows),
      ])
    })
}

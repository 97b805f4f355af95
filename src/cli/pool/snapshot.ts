import type { Command } from 'commander'
import { z } from 'zod'
import { askService } from '../ask-service.ts'
import type { CommandLine } from '../command-line.ts'

const Counts = { idle: z.int(), leased: z.int(), opening: z.int(), closing: z.int(), quarantined: z.int() }

/** Those parts of the service's snapshot that are shown; it may hold more. */
export const Snapshot = z.looseObject({
  connections: z.looseObject({ ...Counts, out: z.int(), limit: z.int() }),
  servers: z.array(z.looseObject({ server: z.string(), out: z.int(), limit: z.int(), breaker: z.string() })),
  pools: z.array(
    z.looseObject({
      ...Counts,
      tenant: z.string(),
      server: z.string(),
      waiting: z.int(),
      idleMs: z.number(),
      serviceMs: z.number(),
    }),
  ),
  poolsLimit: z.int(),
  waiters: z.int(),
})
export type Snapshot = z.output<typeof Snapshot>

/** @throws as `askService`. */
export async function askSnapshot(cli: CommandLine, command: Command): Promise<Snapshot> {
  return Snapshot.parse(await askService(cli, command, '/v1/pools'))
}

/** Of the whole process. */
export function totalLines({ connections, pools, poolsLimit, waiters }: Snapshot): string[] {
  return [
    `connections ${connections.out} of ${connections.limit}: leased ${connections.leased}, idle ${connections.idle}, ` +
      `opening ${connections.opening}, closing ${connections.closing}, quarantined ${connections.quarantined}`,
    `pools ${pools.length} of ${poolsLimit}, waiting requests ${waiters}`,
  ]
}

/** Such as were used in the same ten seconds stay in one order, so that a list drawn again can be read. */
const SAME_TIME_MS = 10_000

/** Those that wait first, then those that use most, then those used last. */
export function busiestFirst(pools: Snapshot['pools']): Snapshot['pools'] {
  const used = ({ idleMs }: { readonly idleMs: number }) => Math.floor(idleMs / SAME_TIME_MS)
  return pools.toSorted(
    (a, b) =>
      b.waiting - a.waiting || b.leased - a.leased || used(a) - used(b) || (a.tenant < b.tenant ? -1 : 1),
  )
}

import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { answer, type CommandLine, globalsOf, registryOptions } from '../command-line.ts'
import type { Screen } from '../screen.ts'
import { table } from '../table.ts'
import { askSnapshot, type Snapshot, totalLines } from './snapshot.ts'

const EVERY_MS = 1_000
/** Of those that are printed once. */
const PRINTED_POOLS = 50

const Options = z.object({ once: z.boolean().default(false) })

export function addPoolTop(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('top'))
    .description('the busiest pools of a running service, anew each second; Ctrl-C ends it')
    .option('--once', 'print them once, as where there is no terminal')
    .addHelpText('after', '\nExample:\n  tenantry pool top')
    .action(async (_options: unknown, command: Command) => {
      const { once } = Options.parse(command.opts())
      const { screen } = cli
      if (once || globalsOf(command).json || screen === undefined) {
        const snapshot = await askSnapshot(cli, command)
        answer(cli, command, snapshot, topLines(snapshot, PRINTED_POOLS))
        return
      }
      await follow(screen, () => askSnapshot(cli, command))
    })
}

/** Draws what it is told until it is stopped. A service that does not answer ends it, too. */
async function follow(screen: Screen, ask: () => Promise<Snapshot>): Promise<void> {
  const over = new AbortController()
  void screen.stopped().then(() => over.abort())
  screen.enter()
  try {
    while (!over.signal.aborted) {
      const lines = [
        `tenantry pool top  ${new Date().toISOString().slice(0, 19)}Z`,
        '',
        ...topLines(await ask(), screen.rows),
      ]
      screen.draw(lines.slice(0, screen.rows - 1).map((line) => line.slice(0, screen.columns)))
      await delay(EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined)
    }
  } finally {
    screen.leave()
  }
}

/** Those that wait come first, then those that use most. */
export function topLines(snapshot: Snapshot, mostPools: number): string[] {
  const pools = snapshot.pools.toSorted(
    (a, b) =>
      b.waiting - a.waiting || b.leased - a.leased || a.idleMs - b.idleMs || (a.tenant < b.tenant ? -1 : 1),
  )
  const servers = snapshot.servers.map(({ server, out, limit, breaker }) => [
    server,
    `${out} of ${limit}`,
    breaker,
  ])
  const rows = pools
    .slice(0, mostPools)
    .map((pool) => [
      pool.tenant,
      pool.server,
      pool.waiting,
      pool.leased,
      pool.idle,
      pool.opening,
      pool.closing + pool.quarantined,
      `${pool.serviceMs.toFixed(1)} ms`,
      `${Math.round(pool.idleMs / 1000)} s`,
    ])
  return [
    ...totalLines(snapshot),
    '',
    ...table(['SERVER', 'CONNECTIONS', 'BREAKER'], servers),
    '',
    ...table(
      ['TENANT', 'SERVER', 'WAITING', 'LEASED', 'IDLE', 'OPENING', 'LEAVING', 'SERVICE', 'LAST USED'],
      rows,
    ),
  ]
}

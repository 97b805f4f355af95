import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { duration } from '../../lifecycle/why/phrases.ts'
import { answer, type CommandLine, globalsOf, registryOptions } from '../command-line.ts'
import { plainLine } from '../plain-text.ts'
import type { Screen } from '../screen.ts'
import { settingsFor } from '../settings.ts'
import { table } from '../table.ts'
import { askSnapshot, busiestFirst, type Snapshot, totalLines } from './snapshot.ts'
import { serviceText, topScreen } from './top-screen.ts'

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
      const { opsUrl } = settingsFor(cli, globalsOf(command))
      await follow(screen, String(opsUrl), () => askSnapshot(cli, command))
    })
}

/** Draws what it is told until it is stopped. A service that does not answer ends it, too. */
async function follow(screen: Screen, service: string, ask: () => Promise<Snapshot>): Promise<void> {
  const over = new AbortController()
  void screen.stopped().then(() => over.abort())
  screen.enter()
  try {
    while (!over.signal.aborted) {
      const title = `tenantry pool top  ${service}  ${new Date().toISOString().slice(0, 19)}Z`
      const snapshot = await ask()
      screen.draw(topScreen(snapshot, title, screen).map(plainLine))
      await delay(EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined)
    }
  } finally {
    screen.leave()
  }
}

/** As they are printed, no more than so many. */
export function topLines(snapshot: Snapshot, mostPools: number): string[] {
  const { length } = snapshot.pools
  const servers = snapshot.servers.map(({ server, out, limit, breaker }) => [
    server,
    `${out} of ${limit}`,
    breaker,
  ])
  const rows = busiestFirst(snapshot.pools)
    .slice(0, mostPools)
    .map((pool) => [
      pool.tenant,
      pool.server,
      pool.waiting,
      pool.leased,
      pool.idle,
      pool.opening,
      pool.closing + pool.quarantined,
      serviceText(pool.serviceMs),
      duration(pool.idleMs),
    ])
  return [
    ...totalLines(snapshot),
    '',
    ...table(['SERVER', 'CONNECTIONS', 'BREAKER'], servers),
    '',
    ...(length > mostPools ? [`the busiest ${mostPools} of ${length} pools (--json has all)`] : []),
    ...table(
      ['TENANT', 'SERVER', 'WAITING', 'LEASED', 'IDLE', 'OPENING', 'LEAVING', 'SERVICE', 'LAST USED'],
      rows,
    ),
  ]
}

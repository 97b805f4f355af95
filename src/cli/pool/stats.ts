import type { Command } from 'commander'
import { duration } from '../../lifecycle/why/phrases.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { table } from '../table.ts'
import { askSnapshot, busiestFirst, totalLines } from './snapshot.ts'

export function addPoolStats(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('stats'))
    .description('connections and pools of a running service (TENANTRY_OPS_URL, TENANTRY_OPERATOR_KEY)')
    .addHelpText('after', '\nExample:\n  tenantry pool stats --json')
    .action(async (_options: unknown, command: Command) => {
      const stats = await askSnapshot(cli, command)
      const rows = busiestFirst(stats.pools).map((pool) => [
        pool.tenant,
        pool.server,
        pool.leased,
        pool.idle,
        pool.opening,
        pool.waiting,
        duration(pool.idleMs),
      ])
      answer(cli, command, stats, [
        ...totalLines(stats),
        ...table(['TENANT', 'SERVER', 'LEASED', 'IDLE', 'OPENING', 'WAITING', 'LAST USED'], rows),
      ])
    })
}

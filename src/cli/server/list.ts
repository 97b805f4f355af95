import type { Command } from 'commander'
import { listServers } from '../../lifecycle/server/server-view.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { table } from '../table.ts'
import { withParts } from '../with-parts.ts'

export function addServerList(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('list'))
    .description('database servers on record')
    .addHelpText('after', '\nExample:\n  tenantry server list')
    .action(async (_options: unknown, command: Command) => {
      const servers = await withParts(cli, command, (parts) => listServers(parts.registry))
      const rows = servers.map(({ id, endpoints, tls, admin, budget }) => [
        id,
        endpoints.map(({ host, port }) => `${host}:${port}`).join(' '),
        tls,
        admin,
        budget.maxConnections,
        budget.headroom,
      ])
      answer(
        cli,
        command,
        servers,
        table(['SERVER', 'ENDPOINTS', 'TLS', 'ADMIN', 'BUDGET', 'HEADROOM'], rows),
      )
    })
}

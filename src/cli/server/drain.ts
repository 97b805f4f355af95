import type { Command } from 'commander'
import { drainServer } from '../../lifecycle/server/drain-server.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

export function addServerDrain(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('drain <id>'))
    .description('make no new tenants on a server; those that are there are served')
    .addHelpText('after', '\nExample:\n  tenantry server drain main')
    .action(async (id: string, _options: unknown, command: Command) => {
      const server = await withParts(cli, command, (parts, actor) =>
        drainServer(parts.registry, id, true, actor),
      )
      answer(cli, command, server, [`${id} drains: no new tenants are made there`])
    })
}

export function addServerUndrain(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('undrain <id>'))
    .description('let new tenants be made on a server again')
    .addHelpText('after', '\nExample:\n  tenantry server undrain main')
    .action(async (id: string, _options: unknown, command: Command) => {
      const server = await withParts(cli, command, (parts, actor) =>
        drainServer(parts.registry, id, false, actor),
      )
      answer(cli, command, server, [`${id} takes new tenants`])
    })
}

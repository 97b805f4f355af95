import type { Command } from 'commander'
import { showServer } from '../../lifecycle/server/remove-server.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { recordLines } from '../record-lines.ts'
import { withParts } from '../with-parts.ts'

export function addServerShow(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('show <id>'))
    .description('everything on record about a database server but its secrets')
    .addHelpText('after', '\nExample:\n  tenantry server show main --json')
    .action(async (id: string, _options: unknown, command: Command) => {
      const server = await withParts(cli, command, (parts) => showServer(parts.registry, id))
      answer(cli, command, server, recordLines(server))
    })
}

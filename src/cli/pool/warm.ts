import type { Command } from 'commander'
import { z } from 'zod'
import { parseTenantId } from '../../tenant/tenant-id.ts'
import { askService } from '../ask-service.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'

const Warmed = z.looseObject({ opened: z.boolean(), ms: z.number() })

export function addPoolWarm(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('warm <id>'))
    .description("open a tenant's first connection in a running service, before anybody waits for it")
    .addHelpText('after', '\nExample:\n  tenantry pool warm acme')
    .action(async (id: string, _options: unknown, command: Command) => {
      const path = `/v1/tenants/${parseTenantId(id)}/warm`
      const warmed = Warmed.parse(await askService(cli, command, path, { method: 'POST' }))
      const { opened, ms } = warmed
      const done = opened
        ? `a connection was opened in ${Math.round(ms)} ms`
        : 'a connection was open already'
      answer(cli, command, warmed, [`${id}: ${done}`])
    })
}

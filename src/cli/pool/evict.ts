import type { Command } from 'commander'
import { z } from 'zod'
import { parseTenantId } from '../../tenant/tenant-id.ts'
import { askService } from '../ask-service.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'

const Evicted = z.looseObject({ connections: z.int() })

export function addPoolEvict(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('evict <id>'))
    .description("close a tenant's connections in a running service; what is leased is finished first")
    .addHelpText('after', '\nExample:\n  tenantry pool evict acme')
    .action(async (id: string, _options: unknown, command: Command) => {
      const path = `/v1/tenants/${parseTenantId(id)}/evict`
      const evicted = Evicted.parse(await askService(cli, command, path, { method: 'POST' }))
      const { connections } = evicted
      answer(cli, command, evicted, [
        `${id}: ${connections} idle connections closed; those in use close when they come back`,
      ])
    })
}

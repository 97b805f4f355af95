import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { type CreateKey, createKey } from '../../lifecycle/key/create-key.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { parseLabels } from '../labels.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  tenant: z.string().optional(),
  service: z.boolean().optional(),
  operator: z.enum(['viewer', 'operator', 'admin']).optional(),
  label: z.array(z.string()).default([]),
  name: z.string().optional(),
  readOnly: z.boolean().optional(),
  expires: z.string().optional(),
})

export function addKeyCreate(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('create'))
    .description('make an API key; it is printed once and not kept')
    .option('--tenant <id>', 'for this tenant itself: its SQL is not trusted')
    .option('--service', "for the team's own backend: every tenant, or those of --label")
    .option('--operator <role>', 'for the operator plane: viewer, operator or admin')
    .option('--label <name=value>', 'with --service: only tenants with it; may be repeated', collect)
    .option('--name <text>', 'what it is for')
    .option('--read-only', 'its SQL may not write')
    .option('--expires <when>', 'a number of days as 90d, or a time as 2030-01-31T00:00:00Z')
    .addHelpText('after', '\nExample:\n  tenantry key create --tenant acme --name ci --expires 90d')
    .action(async (_options: unknown, command: Command) => {
      const { name, readOnly, expires, ...which } = Options.parse(command.opts())
      const input: CreateKey = { scope: scopeOf(which), name, readOnly, expiresAt: timeOf(expires) }
      const { key, secret } = await withParts(cli, command, (parts, actor) => createKey(parts, input, actor))
      answer(cli, command, { key, secret: secret.reveal() }, [secret.reveal()])
      cli.note('This is the only time the key is shown.')
    })
}

function scopeOf(
  which: Pick<z.output<typeof Options>, 'tenant' | 'service' | 'operator' | 'label'>,
): CreateKey['scope'] {
  const { tenant, service, operator, label } = which
  if ([tenant, service, operator].filter((given) => given !== undefined).length !== 1) {
    throw new InvalidRequestError('give one of --tenant ID, --service, --operator ROLE')
  }
  if (label.length > 0 && !service) throw new InvalidRequestError('--label goes with --service')
  if (tenant !== undefined) return { kind: 'tenant', tenant }
  if (operator !== undefined) return { kind: 'operator', role: operator }
  return { kind: 'service', labels: label.length > 0 ? parseLabels(label) : undefined }
}

const DAY_MS = 86_400_000

function timeOf(expires: string | undefined): string | undefined {
  const [, days] = /^([1-9]\d{0,4})d$/.exec(expires ?? '') ?? []
  return days === undefined ? expires : new Date(Date.now() + Number(days) * DAY_MS).toISOString()
}

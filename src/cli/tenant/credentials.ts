import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { listCredentials, revokeCredential } from '../../lifecycle/credentials/credentials.ts'
import { issueCredential } from '../../lifecycle/credentials/issue-credential.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { durationMs } from '../duration.ts'
import { table } from '../table.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  readOnly: z.boolean().optional(),
  validFor: z.string().optional(),
  list: z.boolean().optional(),
  revoke: z.string().optional(),
})
type Options = z.output<typeof Options>

export function addTenantCredentials(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('credentials <id>'))
    .description('make a login for a person or a tool, for a time; list those there are, or revoke one')
    .option('--read-only', 'it may read, and write nothing')
    .option('--valid-for <time>', 'as 30m, 8h or 7d (default: 8h)')
    .option('--list', 'show those that were not revoked')
    .option('--revoke <role>', 'end its sessions and drop it')
    .addHelpText(
      'after',
      [
        '',
        'The connection string is shown once, on standard output, and not kept. Any driver takes it: its verifier has',
        '4,096 iterations.',
        '',
        'Examples:',
        '  psql "$(tenantry tenant credentials acme --read-only --valid-for 2h)"',
        '  tenantry tenant credentials acme --list',
      ].join('\n'),
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = Options.parse(command.opts())
      refuseMixed(options)
      if (options.list) return list(cli, command, id)
      if (options.revoke !== undefined) return revoke(cli, command, id, options.revoke)
      return issue(cli, command, id, options)
    })
}

async function issue(cli: CommandLine, command: Command, id: string, options: Options): Promise<void> {
  const { readOnly, validFor } = options
  const validForMs = validFor === undefined ? undefined : durationMs('--valid-for', validFor)
  const { credential, dsn, notes } = await withParts(cli, command, (parts, actor) =>
    issueCredential(parts, id, { readOnly, validForMs }, actor),
  )
  answer(cli, command, { credential, dsn: dsn.reveal(), notes }, [dsn.reveal()])
  const may = credential.readOnly ? 'reads' : 'reads and writes'
  cli.note(
    `${credential.role} ${may} until ${credential.validUntil}. This is the only time its password is shown.`,
  )
  for (const note of notes) cli.note(note)
}

async function list(cli: CommandLine, command: Command, id: string): Promise<void> {
  const credentials = await withParts(cli, command, (parts) => listCredentials(parts.registry, id))
  const rows = credentials.map(({ role, readOnly, validUntil, issuedBy, expired }) => [
    role,
    readOnly ? 'reads' : 'reads and writes',
    validUntil,
    issuedBy,
    expired ? 'expired' : 'valid',
  ])
  answer(cli, command, credentials, table(['ROLE', 'MAY', 'UNTIL', 'ISSUED BY', 'STATE'], rows))
}

async function revoke(cli: CommandLine, command: Command, id: string, role: string): Promise<void> {
  const revoked = await withParts(cli, command, (parts, actor) => revokeCredential(parts, id, role, actor))
  answer(cli, command, revoked, [`${role} is gone, sessions ended: ${revoked.sessionsEnded}`])
}

function refuseMixed({ list, revoke, readOnly, validFor }: Options): void {
  const making = readOnly !== undefined || validFor !== undefined
  const others = [list !== undefined, revoke !== undefined, making].filter(Boolean).length
  if (others > 1)
    throw new InvalidRequestError(
      'make one (--read-only, --valid-for), --list them, or --revoke one: not two of these',
    )
}

import type { Command } from 'commander'
import { z } from 'zod'
import { PreconditionFailedError } from '../../errors.ts'
import { VerifyTrail, verifyTrail } from '../../lifecycle/audit/verify-trail.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object(VerifyTrail.shape)

export function addAuditVerify(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('verify'))
    .description('whether the audit is as it was sealed; 1 where it is not, and what that means')
    .option('--since <time>', 'only from the first entry of that time on, as 2026-01-31T12:00:00Z')
    .option(
      '--expect <link:mac>',
      'what an earlier verification ended with: shows that nothing was cut off since',
    )
    .option(
      '--after <link:mac>',
      'the last entry that was archived and taken out: what is left must follow it',
    )
    .addHelpText('after', '\nExample:\n  tenantry audit verify --since 2026-01-01T00:00:00Z')
    .action(async (_options: unknown, command: Command) => {
      const wanted = Options.parse(command.opts())
      const verified = await withParts(cli, command, (parts) => verifyTrail(parts, wanted))
      const { whole, entries, sealed, faults, head, meaning } = verified
      answer(cli, command, verified, [
        `${entries} entries, ${sealed} of them sealed: ${whole ? 'whole' : `at fault in ${faults} places`}`,
        ...(head === null ? [] : [`ends with ${head}`]),
      ])
      if (!whole) throw new PreconditionFailedError(`The audit is not whole: ${meaning}.`)
    })
}

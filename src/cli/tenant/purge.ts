import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError, PreconditionFailedError } from '../../errors.ts'
import { type ExpiredPurged, purgeExpired } from '../../lifecycle/delete/purge-expired.ts'
import { purgeTenant, type TenantPurged } from '../../lifecycle/delete/purge-tenant.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { typedName } from '../typed-name.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  yes: z.string().optional(),
  now: z.boolean().optional(),
  serverGone: z.boolean().optional(),
  expired: z.boolean().default(false),
  dryRun: z.boolean().optional(),
})
type Options = z.output<typeof Options>

export function addTenantPurge(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('purge [id]'))
    .description('remove all that there is of a deleted tenant, and print what was seen to be gone')
    .option('--yes <id>', "the tenant's name once more, where nobody is there to type it")
    .option('--now', 'before its grace has ended')
    .option(
      '--server-gone',
      'its server is gone for good: end without having seen its database and roles gone',
    )
    .option('--expired', 'instead of one: all whose grace has ended')
    .option('--dry-run', 'with --expired: tell which, and purge none')
    .addHelpText(
      'after',
      '\nExamples:\n  tenantry tenant purge acme --now --yes acme\n  tenantry tenant purge --expired   (as a nightly job)',
    )
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const options = Options.parse(command.opts())
      refuseMixed(id, options)
      if (id !== undefined) await purgeOne(cli, command, id, options)
      else await purgeAll(cli, command, options)
    })
}

function refuseMixed(id: string | undefined, options: Options): void {
  const { yes, now, serverGone, expired, dryRun } = options
  if ((id === undefined) !== expired) throw new InvalidRequestError('give one tenant, or --expired')
  if (expired && (now || serverGone || yes !== undefined))
    throw new InvalidRequestError(
      '--now, --server-gone and --yes go with one tenant: those of --expired are due',
    )
  if (!expired && dryRun) throw new InvalidRequestError('--dry-run goes with --expired')
}

async function purgeOne(
  cli: CommandLine,
  command: Command,
  id: string,
  { yes, now, serverGone }: Options,
): Promise<void> {
  const what = serverGone ? 'removed for ever, its database unseen' : 'removed for ever'
  const confirm = await typedName(cli, id, yes, what)
  const result = await withParts(cli, command, (parts, actor) =>
    purgeTenant(parts, id, { confirm, now, serverGone }, actor),
  )
  answer(cli, command, result, receiptLines(result))
  if (result.receipt.some(({ outcome }) => outcome === 'unverified'))
    cli.note(
      'warning: what is unverified may still be there: should its server come back, doctor names what is left',
    )
}

async function purgeAll(cli: CommandLine, command: Command, { dryRun }: Options): Promise<void> {
  const result = await withParts(cli, command, (parts, actor) => purgeExpired(parts, { dryRun }, actor))
  answer(cli, command, result, dryRun ? dueLines(result) : outcomeLines(result))
  for (const { tenant, error } of result.failed) cli.note(`not purged: ${tenant}: ${error}`)
  if (result.failed.length > 0)
    throw new PreconditionFailedError(
      `${result.failed.length} of ${result.due.length} tenants were not purged.`,
    )
}

function receiptLines({ tenant, generation, receipt }: TenantPurged): string[] {
  const lines = receipt.map(({ what, outcome, count, detail }) => {
    const removed = count === 0 ? '' : ` (${count})`
    return `  ${what.padEnd(10)}  ${`${outcome}${removed}`.padEnd(8)}  ${detail}`
  })
  return [`${tenant} of generation ${generation} purged:`, ...lines]
}

function dueLines({ due }: ExpiredPurged): string[] {
  const lines = due.map(({ tenant, purgeAfter }) => `${tenant}: due since ${purgeAfter}`)
  return [...lines, `${due.length} tenants to purge`]
}

function outcomeLines({ due, purged }: ExpiredPurged): string[] {
  return [...purged.flatMap(receiptLines), `${purged.length} of ${due.length} tenants purged`]
}

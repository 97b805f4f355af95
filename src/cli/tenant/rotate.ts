import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import type { RotationOutcome } from '../../lifecycle/rotate/fleet-rotation.ts'
import { type RotateTenant, rotateTenant } from '../../lifecycle/rotate/rotate-tenant.ts'
import { startRotationOfMany } from '../../lifecycle/rotate/rotate-tenants.ts'
import type { TenantRotated } from '../../lifecycle/rotate/tenant-rotated.ts'
import { answer, type CommandLine, globalsOf, registryOptions } from '../command-line.ts'
import { dsnOptions, readDsn } from '../dsn-option.ts'
import { durationMs } from '../duration.ts'
import { conclude, EachTenantOptions, eachTenantOptions } from '../for-each-tenant.ts'
import { Progress } from '../progress.ts'
import { selectorOf } from '../selector.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  dsn: z.string().optional(),
  dsnFile: z.string().optional(),
  hear: z.string().optional(),
  drain: z.string().optional(),
})

const SELECTING = ['tenant', 'label', 'status', 'sample', 'all', 'dryRun', 'continueOnError']

export function addTenantRotate(parent: Command, cli: CommandLine): void {
  eachTenantOptions(dsnOptions(registryOptions(parent.command('rotate [id]'))))
    .description('give a tenant, or each of many, another login without failing a request')
    .option('--hear <time>', 'how long replicas are given to hear of the new login (default: 3s)')
    .option('--drain <time>', 'how long leases on the old login may last after that (default: 60s)')
    .addHelpText(
      'after',
      [
        '',
        'A provisioned tenant gets a new password in its other login slot, and the old one is shut when nobody uses it.',
        'A registered one gets the login that is given: its role is its owner’s, who changes the password first. Of a',
        'selection such tenants are left as they are, and counted.',
        '',
        'Examples:',
        '  tenantry tenant rotate acme',
        '  tenantry tenant rotate --label plan=pro --concurrency 8 --continue-on-error',
        '  tenantry tenant rotate initech --dsn-file - < new-login.txt',
      ].join('\n'),
    )
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const { hear, drain, dsn: given, dsnFile } = Options.parse(command.opts())
      const waits = {
        ...(hear === undefined ? {} : { hearMs: durationMs('--hear', hear) }),
        ...(drain === undefined ? {} : { drainMs: durationMs('--drain', drain) }),
      }
      const hasLogin = given !== undefined || dsnFile !== undefined
      if (id === undefined) {
        if (hasLogin) throw new InvalidRequestError('a login is one tenant’s: name it, and give no selection')
        return rotateMany(cli, command, waits)
      }
      refuseSelection(command)
      const input = hasLogin ? { ...waits, dsn: await readDsn(cli, command) } : waits
      const rotated = await withParts(cli, command, (parts, actor) => rotateTenant(parts, id, input, actor))
      answer(cli, command, rotated, [lineOf(id, rotated)])
      if (rotated.caveat !== null) cli.note(`warning: ${rotated.caveat}`)
    })
}

/** One operation over all of them: where this process ends, another goes on with it. */
async function rotateMany(cli: CommandLine, command: Command, waits: RotateTenant): Promise<void> {
  const input = { select: selectorOf(command), ...EachTenantOptions.parse(command.opts()), ...waits }
  using progress = new Progress(cli, 'rotate')
  const { outcomes } = await withParts(cli, command, async (parts, actor) => {
    const onProgress: typeof parts.onProgress = ({ kind, tenant, progress: made }) => {
      if (kind === 'rotate' && tenant === null && made !== null) progress.show(made.done, made.total)
    }
    const told = (outcome: RotationOutcome) => progress.above(() => tell(cli, command, outcome))
    return (await startRotationOfMany({ ...parts, onProgress }, input, actor, told)).result
  })
  if (outcomes.length === 0) cli.note('no tenant is selected')
  const theirs = outcomes.filter(({ outcome }) => outcome === 'registered').length
  if (theirs > 0)
    cli.note(
      `registered, so that their logins are their owners’ to change: ${theirs} (tenant rotate ID --dsn-file)`,
    )
  progress.above(() => conclude(cli, command, outcomes))
}

function tell(cli: CommandLine, command: Command, outcome: RotationOutcome): void {
  const { tenant } = outcome
  if (outcome.outcome === 'failed') cli.note(`failed: ${tenant}: ${outcome.error}`)
  if (outcome.outcome === 'done' && outcome.result.caveat !== null)
    cli.note(`warning: ${tenant}: ${outcome.result.caveat}`)
  if (globalsOf(command).json) return
  if (outcome.outcome === 'done') cli.print(lineOf(tenant, outcome.result))
  if (outcome.outcome === 'there') cli.print(`${tenant} was rotated meanwhile`)
}

function lineOf(id: string, { to, sessionsEnded }: Pick<TenantRotated, 'to' | 'sessionsEnded'>): string {
  const ended = sessionsEnded === 0 ? '' : `, sessions ended: ${sessionsEnded}`
  return `${id} rotated: its login is ${to} now${ended}`
}

function refuseSelection(command: Command): void {
  const options: Record<string, unknown> = command.opts()
  const other = SELECTING.find((name) => options[name] !== undefined)
  if (other !== undefined)
    throw new InvalidRequestError(
      'name one tenant, or select many with --tenant, --label, --status or --all; not both',
    )
}

import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { type RotateTenant, rotateTenant } from '../../lifecycle/rotate/rotate-tenant.ts'
import type { TenantRotated } from '../../lifecycle/rotate/tenant-rotated.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { dsnOptions, readDsn } from '../dsn-option.ts'
import { durationMs } from '../duration.ts'
import { eachTenantOptions, forEachTenant } from '../for-each-tenant.ts'
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
        'A registered one gets the login that is given: its role is its owner’s, who changes the password first.',
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

function rotateMany(cli: CommandLine, command: Command, waits: RotateTenant): Promise<void> {
  return withParts(cli, command, (parts: LifecycleParts, actor: string) =>
    forEachTenant(cli, command, parts.registry, {
      what: 'rotate',
      work: ({ id }) => rotateTenant(parts, id, waits, actor),
      line: lineOf,
    }),
  )
}

function lineOf(id: string, { to, sessionsEnded }: TenantRotated): string {
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

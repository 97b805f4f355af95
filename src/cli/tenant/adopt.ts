import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError, PreconditionFailedError } from '../../errors.ts'
import { adoptTenant } from '../../lifecycle/adopt/adopt-tenant.ts'
import type { AdoptionPlan } from '../../lifecycle/adopt/adoption-plan.ts'
import type { TenantAdopted } from '../../lifecycle/adopt/tenant-adopted.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { durationMs } from '../duration.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  dryRun: z.boolean().default(false),
  yes: z.string().optional(),
  undo: z.boolean().default(false),
  confirm: z.boolean().default(false),
  lockOldRole: z.boolean().default(false),
  hear: z.string().optional(),
  drain: z.string().optional(),
})

/** Of many logins. */
const SHOWN = 5

const EXAMPLES = `
Examples:
  tenantry tenant adopt acme                  what it would do, and what follows from that
  tenantry tenant adopt acme --yes acme       do it; the old login goes on working
  tenantry tenant adopt acme --undo --yes acme
  tenantry tenant adopt acme --confirm --lock-old-role --yes acme`

export function addTenantAdopt(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('adopt <id>'))
    .description(
      "take a registered tenant's database into our care: logins of ours, a stamp, nobody else let in",
    )
    .option('--dry-run', 'show the plan, and change nothing')
    .option('--yes <id>', 'do it: the name of the tenant once more')
    .option('--undo', 'make it all what it was, until it is confirmed')
    .option('--confirm', 'it is not to be undone any more, and what that needs is forgotten')
    .option('--lock-old-role', 'with --confirm: the old role comes in no more')
    .option('--hear <time>', 'how long replicas are given to hear of it before a login is shut (default: 3s)')
    .option(
      '--drain <time>',
      'with --undo: how long leases on the new login may last after that (default: 60s)',
    )
    .addHelpText('after', EXAMPLES)
    .action(async (id: string, _options: unknown, command: Command) => {
      const { yes, dryRun, hear, drain, ...what } = Options.parse(command.opts())
      if (yes !== undefined && yes !== id) throw unconfirmed(id, what)
      if (yes === undefined && (what.undo || what.confirm) && !dryRun) throw unconfirmed(id, what)
      const input = {
        ...what,
        dryRun: dryRun || yes === undefined,
        ...(hear === undefined ? {} : { hearMs: durationMs('--hear', hear) }),
        ...(drain === undefined ? {} : { drainMs: durationMs('--drain', drain) }),
      }
      const result = await withParts(cli, command, (parts, actor) => adoptTenant(parts, id, input, actor))
      answer(cli, command, result, linesOf(id, result))
      for (const finding of result.did === 'planned' ? [] : (result.tenant.isolation?.findings ?? []))
        cli.note(`not isolated: ${finding}`)
      const obstacles = result.did === 'planned' ? (result.plan?.obstacles ?? []) : []
      for (const { what: obstacle, remedy } of obstacles) cli.note(`in the way: ${obstacle}\n  → ${remedy}`)
      if (obstacles.length > 0)
        throw new PreconditionFailedError(`${obstacles.length} obstacle(s): ${id} cannot be adopted yet.`)
      if (!dryRun && yes === undefined) throw unconfirmed(id, what)
    })
}

function unconfirmed(
  id: string,
  { undo, confirm }: { undo: boolean; confirm: boolean },
): InvalidRequestError {
  const option = undo ? ' --undo' : confirm ? ' --confirm' : ''
  return new InvalidRequestError(
    `Nothing was changed. To do it: tenantry tenant adopt ${id}${option} --yes ${id}`,
  )
}

function linesOf(id: string, { did, plan, tenant, oldLogin }: TenantAdopted): string[] {
  if (did === 'planned') return plan === null ? [] : planLines(plan)
  if (did === 'undone') return [`${id} is registered as before: its requests go to role ${tenant.role}`]
  if (did === 'confirmed') {
    const now = { works: 'works as before', shut_out: 'comes in no more', locked: 'is locked' }[oldLogin]
    return [`${id} stays adopted; its old login ${now}`]
  }
  return [
    `${id} adopted: database ${tenant.database} on server ${tenant.server}, as role ${tenant.role}`,
    `to undo it: tenantry tenant adopt ${id} --undo --yes ${id}`,
    `to keep it for good: tenantry tenant adopt ${id} --confirm --yes ${id}`,
  ]
}

function planLines({ tenant, server, database, found, steps }: AdoptionPlan): string[] {
  const { role, publicMay, otherTenants } = found
  const list = (names: readonly string[]) => names.join(', ') || 'none'
  const objects = found.objects.map(
    ({ owner, kind, count }) => `${owner} ${count} ${kind}${count === 1 ? '' : 's'}`,
  )
  return [
    `${tenant}: database ${JSON.stringify(database)} of ${found.databaseOwner} on server ${server}, Postgres ${found.postgres}`,
    `role ${role.name}: attributes ${list(role.attributes)}; member of ${list(role.memberOf)}; owns databases ${list(role.ownsDatabases)}; verifier ${role.verifier ?? 'not for the admin to read'}`,
    `PUBLIC may: on the database ${list(publicMay.database)}; on schema public ${list(publicMay.schemaPublic)}`,
    `logins that may connect: ${found.mayConnect.length}, as ${list(found.mayConnect.slice(0, SHOWN))}`,
    `other tenants in the database: ${list(otherTenants.inDatabase)}; on the role: ${list(otherTenants.onRole)}`,
    `extensions: ${list(found.extensions)}`,
    `objects: ${list(objects)}`,
    'in this order, and nothing else:',
    ...steps.flatMap(({ does, consequence }, index) => [`  ${index + 1}. ${does}`, `     → ${consequence}`]),
  ]
}

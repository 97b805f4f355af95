import type { Command } from 'commander'
import { z } from 'zod'
import { PreconditionFailedError, TenantryError } from '../errors.ts'
import type { Entry, Registry } from '../registry/registry.ts'
import { sideBySide } from '../side-by-side.ts'
import { type CommandLine, globalsOf } from './command-line.ts'
import { Progress } from './progress.ts'
import { selected, selectorOf, selectorOptions } from './selector.ts'

const MAX_AT_ONCE = 64

/** Of every verb that does the same to many tenants. @param atOnce by default. */
export function eachTenantOptions(command: Command, atOnce = 4): Command {
  return selectorOptions(command)
    .option('--concurrency <n>', 'tenants at once', String(atOnce))
    .option('--continue-on-error', 'go on with the others when one fails')
    .option('--dry-run', 'tell which tenants it would be, and do nothing')
}

export const EachTenantOptions = z.object({
  concurrency: z.coerce.number().pipe(z.int().min(1).max(MAX_AT_ONCE)),
  continueOnError: z.boolean().default(false),
  dryRun: z.boolean().default(false),
})

export interface EachTenant<T> {
  /** In a word or two, for the bar. */
  readonly what: string
  /** Asked before the first; what it throws leaves all as they are. */
  readonly confirm?: (tenants: readonly Entry<'tenant'>[]) => void | Promise<void>
  /** @param above tells lines while the bar is there. */
  readonly work: (tenant: Entry<'tenant'>, above: Progress['above']) => Promise<T>
  /** Of one that is done, for people. */
  readonly line: (tenant: string, result: T) => string
}

export type EachOutcome<T> =
  | { readonly tenant: string; readonly outcome: 'done'; readonly result: T }
  | { readonly tenant: string; readonly outcome: 'failed'; readonly code: string; readonly error: string }
  /** After one that failed. */
  | { readonly tenant: string; readonly outcome: 'not_begun' }
  /** In a dry run. */
  | { readonly tenant: string; readonly outcome: 'selected' }

/**
 * Does the work for each tenant that the command line selects, some at once, and tells of each as it ends. After a failure
 * no further one is begun, unless `--continue-on-error`.
 * @throws {InvalidRequestError} where the options are wrong (exit 2), {PreconditionFailedError} where some failed (exit 1).
 */
export async function forEachTenant<T>(
  cli: CommandLine,
  command: Command,
  registry: Registry,
  each: EachTenant<T>,
): Promise<void> {
  const { concurrency, continueOnError, dryRun } = EachTenantOptions.parse(command.opts())
  const tenants: Entry<'tenant'>[] = []
  for await (const tenant of selected(registry, selectorOf(command))) tenants.push(tenant)
  if (tenants.length === 0) cli.note('no tenant is selected')
  if (!dryRun) await each.confirm?.(tenants)
  using progress = new Progress(cli, each.what)
  let ended = 0
  let failed = 0
  const outcomes = await sideBySide(tenants, concurrency, async (tenant): Promise<EachOutcome<T>> => {
    if (dryRun) return { tenant: tenant.id, outcome: 'selected' }
    if (failed > 0 && !continueOnError) return { tenant: tenant.id, outcome: 'not_begun' }
    const outcome = await outcomeOf(tenant, each, (lines) => progress.above(lines))
    if (outcome.outcome === 'failed') failed += 1
    ended += 1
    progress.above(() => tell(cli, command, each, outcome))
    progress.show(ended, tenants.length)
    return outcome
  })
  conclude(cli, command, outcomes)
}

async function outcomeOf<T>(
  tenant: Entry<'tenant'>,
  each: EachTenant<T>,
  above: Progress['above'],
): Promise<EachOutcome<T>> {
  try {
    return { tenant: tenant.id, outcome: 'done', result: await each.work(tenant, above) }
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    return { tenant: tenant.id, outcome: 'failed', code: error.code, error: error.message }
  }
}

function tell<T>(cli: CommandLine, command: Command, each: EachTenant<T>, outcome: EachOutcome<T>): void {
  if (outcome.outcome === 'failed') cli.note(`failed: ${outcome.tenant}: ${outcome.error}`)
  else if (outcome.outcome === 'done' && !globalsOf(command).json)
    cli.print(each.line(outcome.tenant, outcome.result))
}

/**
 * Tells of all at the end: every outcome as JSON, or those selected in a dry run.
 * @throws {PreconditionFailedError} where some failed.
 */
export function conclude(
  cli: CommandLine,
  command: Command,
  outcomes: readonly { readonly tenant: string; readonly outcome: string }[],
): void {
  const of = (wanted: string) => outcomes.filter(({ outcome }) => outcome === wanted)
  if (globalsOf(command).json) cli.print(JSON.stringify(outcomes, null, 2))
  else for (const { tenant } of of('selected')) cli.print(tenant)
  const [failed, left] = [of('failed').length, of('not_begun').length]
  if (failed === 0) return
  const rest = left === 0 ? '' : ` ${left} were not begun: --continue-on-error goes on.`
  throw new PreconditionFailedError(`${failed} of ${outcomes.length} tenants failed.${rest}`)
}

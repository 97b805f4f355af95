import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../../errors.ts'
import { type SetTenant, setTenant } from '../../lifecycle/tenant/set-tenant.ts'
import { matching } from '../../registry/matching-registry.ts'
import { answer, type CommandLine, collect, registryOptions } from '../command-line.ts'
import { durationMs } from '../duration.ts'
import { parseLabels } from '../labels.ts'
import { withParts } from '../with-parts.ts'

/** `none` takes the limit away. */
const limit = z
  .string()
  .regex(/^(?:none|\d+(?:\.\d+)?)$/, 'must be a number, or none')
  .transform((text) => (text === 'none' ? null : Number(text)))
  .optional()

const Options = z.object({
  maxConnections: limit,
  statementTimeout: limit,
  maxResultBytes: limit,
  requestsPerSecond: limit,
  requestsPerMinute: limit,
  concurrency: limit,
  for: z.string().optional(),
  endOverride: z.boolean().default(false),
  weight: limit,
  label: z.array(z.string()).default([]),
  removeLabel: z.array(z.string()).default([]),
  ifMatch: z.coerce.number().pipe(z.int().positive()).optional(),
})
type Options = z.output<typeof Options>

export function addTenantSet(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('set <id>'))
    .description('change limits and labels of a tenant; running routers follow')
    .option(
      '--max-connections <n>',
      'connections that a process may have to it; none: as many as the router gives',
    )
    .option('--statement-timeout <ms>', 'milliseconds that a statement may take; none')
    .option('--max-result-bytes <n>', 'bytes of an answer; none')
    .option('--requests-per-minute <n>', 'requests in any minute, instead of what its plan says; none')
    .option('--requests-per-second <n>', 'the same, as a sixtieth; none')
    .option('--concurrency <n>', 'requests under way at once, instead of what its plan says; none')
    .option(
      '--for <time>',
      'the requests per minute and at once that are given here hold for so long, as 2h, before all others',
    )
    .option('--end-override', 'what was given with --for is over now')
    .option('--weight <n>', 'share of a full budget relative to others; none: 1')
    .option('--label <name=value>', 'give it this label; may be repeated', collect)
    .option('--remove-label <name>', 'take this label away; may be repeated', collect)
    .option('--if-match <revision>', 'only where the tenant still has this revision (tenant show)')
    .addHelpText(
      'after',
      '\nExamples:\n  tenantry tenant set acme --max-connections 2 --label plan=free\n  tenantry tenant set acme --requests-per-minute 6000 --for 2h',
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = Options.parse(command.opts())
      const input = inputOf(options)
      const { ifMatch } = options
      const result = await withParts(cli, command, (parts, actor) => {
        const registry =
          ifMatch === undefined
            ? parts.registry
            : matching(parts.registry, { kind: 'tenant', id, revision: ifMatch })
        return setTenant({ ...parts, registry }, id, input, actor)
      })
      const { changes, caveat, tenant } = result
      answer(cli, command, result, [
        ...changes.map(({ field, from, to }) => `${id}: ${field} ${from ?? 'none'} → ${to ?? 'none'}`),
        `${id} is at revision ${tenant.revision}${changes.length === 0 ? ': all of it was so already' : ''}`,
      ])
      if (caveat !== null) cli.note(`warning: ${caveat}`)
    })
}

/** @throws {InvalidRequestError} */
function inputOf(options: Options): SetTenant {
  const { label, removeLabel, requestsPerMinute, concurrency } = options
  const given = parseLabels(label)
  const both = removeLabel.find((name) => name in given)
  if (both !== undefined) throw new InvalidRequestError(`--label and --remove-label both name ${both}`)
  const override = overrideOf(options)
  const { maxConnections, maxResultBytes, requestsPerSecond, weight } = options
  return {
    limits: {
      maxConnections,
      maxResultBytes,
      requestsPerSecond,
      weight,
      statementTimeoutMs: options.statementTimeout,
      ...(options.for === undefined ? { requestsPerMinute, concurrency } : {}),
    },
    override,
    labels: { ...given, ...Object.fromEntries(removeLabel.map((name) => [name, null])) },
  }
}

/** @throws {InvalidRequestError} */
function overrideOf(options: Options): SetTenant['override'] {
  const { for: time, endOverride, requestsPerMinute: rate, concurrency: atOnce } = options
  if (time !== undefined && endOverride)
    throw new InvalidRequestError('--for and --end-override exclude each other')
  if (time === undefined) return endOverride ? null : undefined
  const until = new Date(Date.now() + durationMs('--for', time)).toISOString()
  const requestsPerMinute = rate ?? undefined
  const concurrency = atOnce ?? undefined
  if (requestsPerMinute === undefined && concurrency === undefined)
    throw new InvalidRequestError('--for needs --requests-per-minute or --concurrency, with a number')
  return { requestsPerMinute, concurrency, until }
}

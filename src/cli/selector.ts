import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../errors.ts'
import type { Entry, Registry } from '../registry/registry.ts'
import { selectTenants, TenantSelector } from '../registry/select-tenants.ts'
import { TENANT_STATUSES } from '../tenant/tenant-status.ts'
import { collect } from './command-line.ts'
import { parseLabels } from './labels.ts'

/** Which tenants a verb over many is for: the same options on each such verb. */
export function selectorOptions(command: Command): Command {
  return command
    .option('--tenant <ids>', 'these, separated by commas; may be repeated', collect)
    .option('--label <name=value>', 'those with it; may be repeated, then with all of them', collect)
    .option('--status <status>', `those that are ${TENANT_STATUSES.join(', ')}`)
    .option('--sample <percent>', 'about so many of them, the same ones each time: 5%')
    .option('--all', 'every tenant that is not deleted')
}

/** By the field that each sets. */
const OPTIONS: Readonly<Record<string, string>> = {
  tenants: '--tenant',
  labels: '--label',
  status: '--status',
  samplePercent: '--sample',
}

const Options = z.object({
  tenant: z.array(z.string()).optional(),
  label: z.array(z.string()).optional(),
  status: z.enum(TENANT_STATUSES).optional(),
  sample: z.string().optional(),
  all: z.boolean().optional(),
})

/**
 * What the options of `selectorOptions` say; give it to `selected`, or to an HTTP twin.
 * @throws {InvalidRequestError} where they name no tenants, or contradict each other.
 */
export function selectorOf(command: Command): TenantSelector {
  const { tenant, label, status, sample, all } = Options.parse(command.opts())
  const selector = {
    ...(tenant === undefined ? {} : { tenants: namesIn(tenant) }),
    ...(label === undefined ? {} : { labels: parseLabels(label) }),
    ...(status === undefined ? {} : { status }),
    ...(sample === undefined ? {} : { samplePercent: percentOf(sample) }),
    ...(all === undefined ? {} : { all }),
  }
  const { error } = TenantSelector.safeParse(selector)
  if (error === undefined) return selector
  if (Object.keys(selector).length === 0)
    throw new InvalidRequestError(
      'say which tenants: --tenant a,b, --label plan=pro, --status active, --sample 5%, or --all',
    )
  const faults = error.issues.map(({ path: [field], message }) => {
    const option = OPTIONS[String(field)]
    return option === undefined ? message : `${option}: ${message}`
  })
  throw new InvalidRequestError(faults.join('; '))
}

/** The tenants meant, page by page as they are asked for. @throws {TenantUnknownError} for those named that are not there. */
export function selected(registry: Registry, selector: TenantSelector): AsyncGenerator<Entry<'tenant'>> {
  return selectTenants(registry, selector)
}

function namesIn(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',')).map((name) => name.trim())
}

function percentOf(text: string): number {
  const percent = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1]
  if (percent === undefined || Number(percent) <= 0 || Number(percent) > 100)
    throw new InvalidRequestError('--sample is a share from above 0 to 100 %, as 5%')
  return Number(percent)
}

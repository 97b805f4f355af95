import type { Command } from 'commander'
import { z } from 'zod'
import { parseDsn } from '../connection/dsn.ts'
import { openConnection } from '../connection/open.ts'
import { PreconditionFailedError } from '../errors.ts'
import { MAX_TENANTS, targetFromFile, targetFromService } from '../load/find-target.ts'
import { LoadOptions } from '../load/load-options.ts'
import { isClean, reportLines } from '../load/load-report.ts'
import { measureLoad } from '../load/measure-load.ts'
import { answer, type CommandLine } from './command-line.ts'
import { readTextFile, warnOfPassword } from './settings.ts'

const CONNECT_TIMEOUT_MS = 5_000

const Options = z.object({
  service: z.string().default('.tenantry/demo.json'),
  targets: z.string().optional(),
  tenants: z.coerce.number().pipe(z.int().min(1).max(MAX_TENANTS)).default(100),
  create: z.boolean().default(false),
  postgres: z.string().optional(),
  postgresFile: z.string().optional(),
})
type Options = z.output<typeof Options>

const number = z.coerce.number().optional()
/** Names as they stand on the command line; bounds and defaults are those of `LoadOptions`. */
const LoadFlags = z
  .object({
    workers: number,
    seconds: number,
    warmup: number,
    maxRequests: number,
    zipf: number,
    uniform: z.boolean().default(false),
    rows: number,
    seed: number,
    timeout: number,
  })
  .transform(({ warmup, timeout, uniform, zipf, ...same }) => {
    const options = { ...same, warmupSeconds: warmup, timeoutMs: timeout, zipf: uniform ? 0 : zipf }
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  })
  .pipe(LoadOptions)

/** A closed loop of requests against a running service, measured and checked. */
export function addLoad(parent: Command, cli: CommandLine): void {
  parent
    .command('load')
    .description('ask a running service for rows of many tenants; measure it, and check whose rows come back')
    .option(
      '--service <file>',
      'file with url, opsUrl, serviceKey, operatorKey (default: .tenantry/demo.json)',
    )
    .option('--targets <file>', 'in its place: file with url, key and the database of each tenant')
    .option('--tenants <n>', 'tenants to ask, the first in order of id (default: 100)')
    .option('--create', 'ask tenants load-0001 and so on, and provision those that are missing')
    .option('--zipf <s>', 'skew: the nth tenant gets 1/n^s of what the first gets (default: 1)')
    .option('--uniform', 'all tenants alike')
    .option('--workers <n>', 'requests under way at once (default: 32)')
    .option('--seconds <s>', 'measured time (default: 10)')
    .option('--warmup <s>', 'time before it, not measured (default: 2)')
    .option('--max-requests <n>', 'end early after so many (default: 10000000)')
    .option('--rows <n>', 'rows of each answer (default: 20)')
    .option('--seed <n>', 'of the choice of tenants (default: 1)')
    .option('--timeout <ms>', 'of one request (default: 10000)')
    .option('--postgres <dsn>', "admin login to the tenants' server, to count connections and logins there")
    .option('--postgres-file <path>', 'a file that holds it')
    .option('--json', 'answer in JSON')
    .addHelpText('after', '\nExample:\n  tenantry load --tenants 50 --workers 16 --seconds 30')
    .action((_options: unknown, command: Command) => load(cli, command))
}

async function load(cli: CommandLine, command: Command): Promise<void> {
  const options = Options.parse(command.opts())
  const loadOptions = LoadFlags.parse(command.opts())
  const { target, plane } = options.targets
    ? await targetFromFile(options.targets)
    : await targetFromService(options.service, options.tenants, options.create)
  const server = await openAdmin(cli, options)
  const interrupt = new AbortController()
  const onInterrupt = () => interrupt.abort()
  process.once('SIGINT', onInterrupt)
  try {
    const onlookers = { ...(server && { server }), ...(plane && { plane }) }
    const report = await measureLoad(target, loadOptions, onlookers, interrupt.signal)
    answer(cli, command, report, reportLines(report))
    if (!isClean(report)) throw new PreconditionFailedError('Not every request had its right answer.')
  } finally {
    process.removeListener('SIGINT', onInterrupt)
    await server?.close()
  }
}

async function openAdmin(cli: CommandLine, { postgres, postgresFile }: Options) {
  if (postgres !== undefined) warnOfPassword(cli, '--postgres', postgres)
  const dsn = postgres ?? (postgresFile === undefined ? undefined : readTextFile(postgresFile).trim())
  return dsn === undefined
    ? undefined
    : openConnection(parseDsn(dsn), { connectTimeoutMs: CONNECT_TIMEOUT_MS })
}

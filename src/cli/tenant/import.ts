import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError, PreconditionFailedError } from '../../errors.ts'
import type { ImportedRow } from '../../lifecycle/import/import-run.ts'
import { ImportTenants, startImport, type TenantsImported } from '../../lifecycle/import/import-tenants.ts'
import { ListFaultsError } from '../../lifecycle/import/list-faults.ts'
import { LIST_FORMATS, type ListFormat } from '../../lifecycle/import/read-list.ts'
import { answer, type CommandLine, globalsOf, registryOptions } from '../command-line.ts'
import { Progress } from '../progress.ts'
import { readTextFile } from '../settings.ts'
import { withParts } from '../with-parts.ts'

const Options = z.object({
  format: z.enum(LIST_FORMATS).optional(),
  dryRun: z.boolean().default(false),
  probe: z.boolean().default(false),
  concurrency: z.coerce.number().pipe(ImportTenants.shape.concurrency.unwrap()),
})

const EXAMPLE = `
FILE is CSV as a spreadsheet writes it (divided by commas, semicolons or tabs; UTF-8) whose first line names the columns,
or JSON objects one a line with the same names; - is standard input.
  id                                      must be there, and where the database is:
  dsn                                     a connection string; its password may be in a column of its own, password
  host, port, database, user, password, sslmode, sslrootcert
                                          in its place, each as it is: nothing is percent-encoded
  hostnames                               separated by spaces or ;
  labels                                  plan=pro;region=eu, or a column label.NAME for each
  max_connections, weight, requests_per_second, statement_timeout_ms
  shared                                  true: another tenant may live in the same database

Nothing is imported where one line has a fault. A database that refuses its login is told and does not stop the others;
the same file again goes on with what is left. A server that is not on record is put there under its host and port:
\`tenantry server add NAME\` before gives it another name. To take all of it back: give the list a column label.batch, then
\`tenantry tenant unregister --label batch=…\`.

Example:
  $ cat tenants.csv
  id,dsn,hostnames,label.plan,max_connections
  acme,postgres://acme:…@db1.example.com/acme?sslmode=verify-full,acme.example.com,pro,4
  $ tenantry tenant import tenants.csv --dry-run
  $ tenantry tenant import tenants.csv --dry-run --probe
  $ tenantry tenant import tenants.csv
`

export function addTenantImport(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('import <file>'))
    .description('serve the databases of a list (CSV, JSON lines); nothing in them is changed')
    .option('--format <format>', `${LIST_FORMATS.join(' or ')} (default: as the file is called)`)
    .option('--dry-run', 'tell every fault and what would happen, and keep nothing')
    .option('--probe', 'connect to every database first, and import none where one cannot be')
    .option('--concurrency <n>', 'connections to one server at once, within its budget', '8')
    .addHelpText('after', EXAMPLE)
    .action(async (file: string, _options: unknown, command: Command) => {
      const { format, ...options } = Options.parse(command.opts())
      const input = { format: formatOf(file, format), text: await textOf(cli, file), ...options }
      const result = await importWatched(cli, command, input)
      tell(cli, command, result)
      conclude(result)
    })
}

async function importWatched(
  cli: CommandLine,
  command: Command,
  input: ImportTenants,
): Promise<TenantsImported> {
  using progress = new Progress(cli, 'import')
  return await withParts(cli, command, async (parts, actor) => {
    const onProgress = parts.onProgress ?? ((operation) => showProgress(progress, operation.progress))
    return (await startImport({ ...parts, onProgress }, input, actor)).result
  })
}

function showProgress(
  progress: Progress,
  made: { readonly done: number; readonly total: number } | null,
): void {
  if (made !== null) progress.show(made.done, made.total)
}

function formatOf(file: string, given: ListFormat | undefined): ListFormat {
  if (given !== undefined) return given
  if (/\.csv$/i.test(file)) return 'csv'
  if (/\.(jsonl|ndjson)$/i.test(file)) return 'jsonl'
  throw new InvalidRequestError('say what the list is: --format csv or --format jsonl')
}

async function textOf(cli: CommandLine, file: string): Promise<string> {
  return file === '-' ? await cli.readInput() : readTextFile(file)
}

function tell(cli: CommandLine, command: Command, result: TenantsImported): void {
  const { rows, dryRun, faults, nowNotIsolated } = result
  if (faults.length > 0 && !globalsOf(command).json) return tellSound(cli, result)
  const count = (outcome: ImportedRow['outcome']) => rows.filter((row) => row.outcome === outcome).length
  const made = dryRun ? `${count('new')} would be imported` : `${count('imported')} imported`
  const lines = dryRun && !globalsOf(command).json ? rows.filter(({ outcome }) => outcome === 'new') : []
  answer(cli, command, result, [
    ...lines.map(({ line, tenant }) => `line ${line}: ${tenant} would be imported`),
    `${made}, ${count('there')} there already, ${count('refused')} refused`,
  ])
  tellRefused(cli, rows)
  const open = rows.filter(({ findings }) => findings.length > 0).length
  if (open > 0) {
    cli.note(
      `not isolated: ${open} of them. Their own keys get role_not_isolated; service keys and the library work.`,
    )
    cli.note('  → tenant show ID says why, tenant adopt ID helps')
  }
  if (nowNotIsolated.length > 0)
    cli.note(
      `not isolated any more, since their roles may enter these databases: ${nowNotIsolated.join(', ')}`,
    )
}

/** Of a list with faults, of which none would be imported. */
function tellSound(cli: CommandLine, { rows, faults }: TenantsImported): void {
  const faulty = new Set(faults.map(({ line }) => line))
  cli.print(`${rows.filter(({ line }) => !faulty.has(line)).length} rows without a fault`)
  tellRefused(cli, rows)
}

function tellRefused(cli: CommandLine, rows: TenantsImported['rows']): void {
  for (const { line, tenant, refusal } of rows) {
    if (refusal !== null) cli.note(`refused: line ${line}, ${tenant}: ${refusal}`)
  }
}

function conclude({ faults, rows }: TenantsImported): void {
  if (faults.length > 0) throw new ListFaultsError(faults)
  const refused = rows.filter(({ outcome }) => outcome === 'refused').length
  if (refused > 0) throw new PreconditionFailedError(`${refused} of ${rows.length} rows were refused.`)
}

import type { Command } from 'commander'
import { z } from 'zod'
import { PreconditionFailedError } from '../errors.ts'
import { AskDoctor, type Diagnosis, diagnose, diagnoseAndFix } from '../lifecycle/doctor/doctor.ts'
import type { Finding } from '../lifecycle/doctor/finding.ts'
import { answer, type CommandLine, registryOptions } from './command-line.ts'
import { withParts } from './with-parts.ts'

const Options = z.object({
  server: z.string().optional(),
  fix: z.boolean().default(false),
  timeout: z.coerce.number({ error: '--timeout is a number of seconds' }).optional(),
})

export function addDoctor(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('doctor'))
    .description('compare the registry with the servers, and say what is wrong, what follows and what helps')
    .option('--server <id>', 'that server and its tenants only')
    .option(
      '--fix',
      'do what is safe: go on with operations, lock roles, close databases, set limits; drop nothing',
    )
    .option('--timeout <seconds>', 'for each server (default: 120)')
    .addHelpText(
      'after',
      '\nExample:\n  tenantry doctor --server main\nIt ends with 1 where it found an error.',
    )
    .action(async (_options: unknown, command: Command) => {
      const { server, fix, timeout } = Options.parse(command.opts())
      const asked = AskDoctor.parse({ server, serverTimeoutMs: timeout && Math.round(timeout * 1_000) })
      const diagnosis = await withParts(cli, command, (parts, actor) =>
        fix ? diagnoseAndFix(parts, asked, actor) : diagnose(parts, asked),
      )
      answer(cli, command, diagnosis, diagnosisLines(diagnosis))
      const { error } = diagnosis.counts
      if (error > 0) throw new PreconditionFailedError(`The doctor found ${count(error, 'error')}.`)
    })
}

function diagnosisLines({ findings, repaired, counts, servers, tenants }: Diagnosis): string[] {
  const fixable = findings.filter((finding) => finding.fixable).length
  return [
    ...repaired.flatMap(({ finding, error }) => [
      `${error === null ? 'fixed  ' : 'not fixed'} ${finding.subject}: ${finding.what}`,
      ...(error === null ? [] : [`        ${error}`]),
    ]),
    ...findings.flatMap(findingLines),
    `${count(servers, 'server')}, ${count(tenants, 'tenant')}: ${count(counts.error, 'error')}, ${count(counts.warning, 'warning')}, ${counts.info} for information` +
      (fixable > 0 ? `; ${fixable} can be fixed with --fix` : ''),
  ]
}

function findingLines({ check, severity, subject, what, consequence, fix, fixable }: Finding): string[] {
  return [
    `${severity.padEnd(7)} ${subject} [${check}] ${what}`,
    `        ${consequence}`,
    ...(fix === null ? [] : [`        ${fixable ? '--fix does' : 'fix'}: ${fix}`]),
  ]
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

import type { Command } from 'commander'
import { z } from 'zod'
import { PreconditionFailedError } from '../errors.ts'
import { AskDoctor, type Diagnosis, diagnose, diagnoseAndFix } from '../lifecycle/doctor/doctor.ts'
import type { Finding } from '../lifecycle/doctor/finding.ts'
import { many } from '../lifecycle/why/phrases.ts'
import { answer, type CommandLine, registryOptions } from './command-line.ts'
import { withParts } from './with-parts.ts'

const Options = z.object({
  server: z.string().optional(),
  fix: z.boolean().default(false),
  each: z.boolean().default(false),
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
    .option('--each', 'tell every finding, also where many are alike')
    .option('--timeout <seconds>', 'for each server (default: 120)')
    .addHelpText(
      'after',
      '\nExample:\n  tenantry doctor --server main\nIt ends with 1 where it found an error.',
    )
    .action(async (_options: unknown, command: Command) => {
      const { server, fix, each, timeout } = Options.parse(command.opts())
      const asked = AskDoctor.parse({ server, serverTimeoutMs: timeout && Math.round(timeout * 1_000) })
      const diagnosis = await withParts(cli, command, (parts, actor) =>
        fix ? diagnoseAndFix(parts, asked, actor) : diagnose(parts, asked),
      )
      answer(cli, command, diagnosis, diagnosisLines(diagnosis, each))
      const { error } = diagnosis.counts
      if (error > 0) throw new PreconditionFailedError(`The doctor found ${many(error, 'error')}.`)
    })
}

/** Findings that are alike are told so often, and then named only. */
const TOLD_ALIKE = 3
const NAMED_ALIKE = 10

export function diagnosisLines(
  { findings, repaired, counts, servers, tenants }: Diagnosis,
  each: boolean,
): string[] {
  const fixable = findings.filter((finding) => finding.fixable).length
  return [
    ...repaired.flatMap(({ finding, error }) => [
      `${error === null ? 'fixed  ' : 'not fixed'} ${finding.subject}: ${finding.what}`,
      ...(error === null ? [] : [`        ${error}`]),
    ]),
    ...alike(findings).flatMap((group) => (each ? group.flatMap(findingLines) : groupLines(group))),
    `${many(servers, 'server')}, ${many(tenants, 'tenant')}: ${many(counts.error, 'error')}, ${many(counts.warning, 'warning')}, ${counts.info} for information` +
      (fixable > 0 ? `; ${fixable} can be fixed with --fix` : ''),
  ]
}

/** In the order in which the first of each stands. */
function alike(findings: readonly Finding[]): readonly Finding[][] {
  const groups = new Map<string, Finding[]>()
  for (const finding of findings) {
    const { severity, check, consequence } = finding
    const key = `${severity} ${check} ${consequence}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [finding])
    else group.push(finding)
  }
  return [...groups.values()]
}

function groupLines(group: readonly Finding[]): string[] {
  const rest = group.slice(TOLD_ALIKE)
  const [first] = rest
  // One more takes no more room than a word about it.
  if (first === undefined || rest.length === 1) return group.flatMap(findingLines)
  const names = rest.slice(0, NAMED_ALIKE).map(({ subject }) => subject)
  const others = rest.length > NAMED_ALIKE ? ', …' : ''
  return [
    ...group.slice(0, TOLD_ALIKE).flatMap(findingLines),
    `${first.severity.padEnd(7)} and ${rest.length} more like these [${first.check}], which --each tells: ${names.join(', ')}${others}`,
  ]
}

function findingLines({ check, severity, subject, what, consequence, fix, fixable }: Finding): string[] {
  return [
    `${severity.padEnd(7)} ${subject} [${check}] ${what}`,
    `        ${consequence}`,
    ...(fix === null ? [] : [`        ${fixable ? '--fix does' : 'fix'}: ${fix}`]),
  ]
}

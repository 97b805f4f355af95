import type { Command } from 'commander'
import { z } from 'zod'
import { auditEntry, type LifecycleParts } from '../lifecycle/parts.ts'
import { noteVersion, SchemaVersion } from '../lifecycle/tenant/note-version.ts'
import type { Entry } from '../registry/registry.ts'
import { type CommandLine, globalsOf, registryOptions } from './command-line.ts'
import { runProgram } from './exec/run-program.ts'
import { StopSignals } from './exec/stop-signals.ts'
import { type ToolLogin, ToolLogins, withoutOurs } from './exec/tool-login.ts'
import { eachTenantOptions, forEachTenant } from './for-each-tenant.ts'
import { withParts } from './with-parts.ts'

/** Tenants at once, where nobody says how many. */
const AT_ONCE = 4
const MAX_TIMEOUT_S = 86_400
/** Milliseconds that a login is good for beyond the time that the command has. */
const LOGIN_MARGIN_MS = 60_000

const Options = z.object({
  version: SchemaVersion.optional(),
  timeout: z.coerce.number().pipe(z.number().positive().max(MAX_TIMEOUT_S)),
})
type Options = z.output<typeof Options>

export function addExec(parent: Command, cli: CommandLine): void {
  eachTenantOptions(registryOptions(parent.command('exec <command...>')), AT_ONCE)
    .description('run a command for each of many tenants, with DATABASE_URL and PGHOST … of that tenant')
    .option('--version <name>', 'after exit code 0, note on record that the tenant has this schema version')
    .option('--timeout <s>', 'seconds that the command may take for a tenant', '600')
    .addHelpText(
      'after',
      '\nExample:\n  tenantry exec --label plan=pro --concurrency 8 --version 0042 -- node migrate.js',
    )
    .action(async (words: [string, ...string[]], _options: unknown, command: Command) => {
      const options = Options.parse(command.opts())
      await withParts(cli, command, async (parts, actor) => {
        using logins = new ToolLogins(parts)
        using stops = new StopSignals()
        await forEachTenant(cli, command, parts.registry, {
          what: 'exec',
          work: (tenant, above) => {
            const tell = (line: string, from: 'out' | 'err') =>
              above(() => say(cli, command, tenant.id, line, from))
            return execFor(parts, actor, { cli, words, options, logins, stops, tenant, tell })
          },
          line: (tenant, { ms, version }) =>
            `${tenant}: done in ${(ms / 1_000).toFixed(1)} s${version === null ? '' : `, version ${version} noted`}`,
        })
      })
    })
}

interface Execution {
  readonly cli: CommandLine
  readonly words: readonly [string, ...string[]]
  readonly options: Options
  readonly logins: ToolLogins
  readonly stops: StopSignals
  readonly tenant: Entry<'tenant'>
  readonly tell: (line: string, from: 'out' | 'err') => void
}

async function execFor(
  parts: LifecycleParts,
  actor: string,
  { cli, words, options, logins, stops, tenant, tell }: Execution,
): Promise<{ readonly ms: number; readonly version: string | null }> {
  const timeoutMs = options.timeout * 1_000
  await using login = await logins.forMigrations(tenant.record, timeoutMs + LOGIN_MARGIN_MS, actor)
  // The name alone: what follows it may be secret.
  const audit = auditEntry(actor, 'tenant.exec', tenant.id, { program: words[0].slice(0, 200) })
  await parts.registry.commit({ audit }, [])
  const begun = performance.now()
  await runProgram({
    command: words,
    variables: { ...withoutOurs(cli.variables), ...login.variables },
    timeoutMs,
    onLine: (line, from) => tell(masked(line, login), from),
    stops,
  })
  const ms = Math.round(performance.now() - begun)
  const { version = null } = options
  if (version !== null) await noteVersion(parts, tenant.id, version, actor)
  return { ms, version }
}

/** With --json standard output is for the answer alone. */
function say(cli: CommandLine, command: Command, tenant: string, line: string, from: 'out' | 'err'): void {
  const told = `${tenant} | ${line}`
  if (from === 'out' && !globalsOf(command).json) cli.print(told)
  else cli.note(told)
}

function masked(line: string, { secrets }: ToolLogin): string {
  return secrets.reduce((text, secret) => text.replaceAll(secret, '***'), line)
}

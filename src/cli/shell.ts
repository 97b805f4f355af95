import { type ChildProcess, spawn } from 'node:child_process'
import type { Command } from 'commander'
import { PreconditionFailedError } from '../errors.ts'
import { auditEntry } from '../lifecycle/parts.ts'
import { findTenant } from '../lifecycle/tenant/change-tenant.ts'
import { type CommandLine, registryOptions } from './command-line.ts'
import { ToolLogins, withoutOurs } from './exec/tool-login.ts'
import { withParts } from './with-parts.ts'

export function addShell(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('shell <id> [psql...]'))
    .description("open psql in a tenant's database, as the tenant's own role; what follows -- goes to psql")
    .addHelpText('after', "\nExample:\n  tenantry shell acme -- -c 'select count(*) from projects'")
    .action(async (id: string, args: readonly string[], _options: unknown, command: Command) => {
      await withParts(cli, command, async (parts, actor) => {
        const { record } = await findTenant(parts.registry, id)
        using logins = new ToolLogins(parts)
        const { variables } = await logins.of(record)
        await parts.registry.commit({ audit: auditEntry(actor, 'tenant.shell', record.id) }, [])
        await psql(args, { ...withoutOurs(cli.variables), ...variables })
      })
    })
}

/** @throws {PreconditionFailedError} where there is none, or it does not end with 0. */
async function psql(args: readonly string[], variables: Record<string, string>): Promise<void> {
  const child = spawn('psql', args, { env: variables, stdio: 'inherit' })
  using _signals = passedTo(child)
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => {
      const isMissing = 'code' in cause && cause.code === 'ENOENT'
      const fix = 'psql is not installed: apt install postgresql-client, or brew install libpq'
      reject(new PreconditionFailedError(isMissing ? fix : `cannot run psql: ${cause.message}`))
    })
    child.once('exit', (code, signal) => {
      if (code === 0) resolve()
      else reject(new PreconditionFailedError(`psql ended with ${signal ?? `exit code ${code}`}`))
    })
  })
}

/** While it runs. Ctrl-C it has from the terminal itself, and ends a statement with it, not itself. */
function passedTo(child: ChildProcess): Disposable {
  const ignore = () => undefined
  const pass = (signal: NodeJS.Signals) => void child.kill(signal)
  process.on('SIGINT', ignore)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, pass)
  return {
    [Symbol.dispose]: () => {
      process.removeListener('SIGINT', ignore)
      for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.removeListener(signal, pass)
    },
  }
}

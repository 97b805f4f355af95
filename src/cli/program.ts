import { Command, CommanderError } from 'commander'
import { ZodError, z } from 'zod'
import { type ErrorCode, TenantryError } from '../errors.ts'
import type { CommandLine } from './command-line.ts'
import { addDemo } from './demo.ts'
import { addInit } from './init.ts'
import { addKeyCreate } from './key/create.ts'
import { addKeyList } from './key/list.ts'
import { addKeyRevoke } from './key/revoke.ts'
import { addLoad } from './load.ts'
import { addPoolStats } from './pool/stats.ts'
import { addServe } from './serve.ts'
import { addServerAccept } from './server/accept.ts'
import { addServerAdd } from './server/add.ts'
import { addServerList } from './server/list.ts'
import { addTenantCheck } from './tenant/check.ts'
import { addTenantCreate } from './tenant/create.ts'
import { addTenantList } from './tenant/list.ts'
import { addTenantRegister } from './tenant/register.ts'
import { addTenantResume } from './tenant/resume.ts'
import { addTenantShow } from './tenant/show.ts'
import { addTenantSuspend } from './tenant/suspend.ts'

/** 0: done. 1: it failed. 2: it was asked for wrongly, and nothing was done. */
export type ExitCode = 0 | 1 | 2

const MISUSE: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'invalid_tenant_id',
  'invalid_dsn',
  'invalid_config',
])

/** Runs one command line to its end. Never throws: whatever goes wrong is told in a line and in the exit code. */
export async function runCommandLine(cli: CommandLine, args: readonly string[]): Promise<ExitCode> {
  try {
    await program(cli).parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // it has told already
    cli.note(`error: ${tell(error)}`)
    const isMisuse = error instanceof ZodError || (error instanceof TenantryError && MISUSE.has(error.code))
    return isMisuse ? 2 : 1
  }
}

function program(cli: CommandLine): Command {
  const root = new Command('tenantry')
    .description('Routes an application to one Postgres database per tenant.')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => cli.print(text.trimEnd()),
      writeErr: (text) => cli.note(text.trimEnd()),
    })
  for (const add of [addServe, addDemo, addInit, addLoad]) add(root, cli)
  const server = root.command('server').description('database servers')
  for (const add of [addServerAdd, addServerList, addServerAccept]) add(server, cli)
  const tenant = root.command('tenant').description('tenants')
  const ofTenants = [addTenantRegister, addTenantCreate, addTenantList, addTenantShow]
  for (const add of [...ofTenants, addTenantSuspend, addTenantResume, addTenantCheck]) add(tenant, cli)
  const key = root.command('key').description('API keys')
  for (const add of [addKeyCreate, addKeyList, addKeyRevoke]) add(key, cli)
  addPoolStats(root.command('pool').description('pools of a running service'), cli)
  return root
}

/** In words, never a stack. Causes are left out: they are what drivers say, and may hold what must not be shown. */
function tell(error: unknown): string {
  if (error instanceof ZodError) return z.prettifyError(error)
  if (error instanceof TenantryError) return error.message
  if (error instanceof Error && 'syscall' in error) return error.message // as of a port in use: says it all
  const message = error instanceof Error ? error.message.split('\n')[0] : ''
  return `unexpected: ${message || 'nothing is known about it'}`
}

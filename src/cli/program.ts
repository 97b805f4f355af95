import { Command, CommanderError } from 'commander'
import { ZodError } from 'zod'
import { type ErrorCode, TenantryError } from '../errors.ts'
import { VERSION } from '../telemetry/version.ts'
import { addAuditTail } from './audit/tail.ts'
import { addAuditVerify } from './audit/verify.ts'
import type { CommandLine } from './command-line.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addExec } from './exec.ts'
import { addInit } from './init.ts'
import { addKeyCreate } from './key/create.ts'
import { addKeyList } from './key/list.ts'
import { addKeyRevoke } from './key/revoke.ts'
import { addKeyRewrap } from './key/rewrap.ts'
import { addLoad } from './load.ts'
import { addOperationList } from './operation/list.ts'
import { addOperationResume } from './operation/resume.ts'
import { addOperationShow } from './operation/show.ts'
import { plainText } from './plain-text.ts'
import { addPoolCancel } from './pool/cancel.ts'
import { addPoolEvict } from './pool/evict.ts'
import { addPoolStats } from './pool/stats.ts'
import { addPoolTop } from './pool/top.ts'
import { addPoolWarm } from './pool/warm.ts'
import { addRegistryMigrate } from './registry/migrate.ts'
import { addServe } from './serve.ts'
import { addServerAccept } from './server/accept.ts'
import { addServerAdd } from './server/add.ts'
import { addServerDrain, addServerUndrain } from './server/drain.ts'
import { addServerList } from './server/list.ts'
import { addServerRemove } from './server/remove.ts'
import { addServerShow } from './server/show.ts'
import { addServerSpares } from './server/spares.ts'
import { addShell } from './shell.ts'
import { addTemplateCreate } from './template/create.ts'
import { addTemplateDrop } from './template/drop.ts'
import { addTemplateList } from './template/list.ts'
import { addTenantAdopt } from './tenant/adopt.ts'
import { addTenantAliasAdd } from './tenant/alias/add.ts'
import { addTenantAliasList } from './tenant/alias/list.ts'
import { addTenantAliasRemove } from './tenant/alias/remove.ts'
import { addTenantCheck } from './tenant/check.ts'
import { addTenantCreate } from './tenant/create.ts'
import { addTenantCredentials } from './tenant/credentials.ts'
import { addTenantDelete } from './tenant/delete.ts'
import { addTenantImport } from './tenant/import.ts'
import { addTenantList } from './tenant/list.ts'
import { addTenantPurge } from './tenant/purge.ts'
import { addTenantRegister } from './tenant/register.ts'
import { addTenantResume } from './tenant/resume.ts'
import { addTenantRotate } from './tenant/rotate.ts'
import { addTenantSet } from './tenant/set.ts'
import { addTenantShow } from './tenant/show.ts'
import { addTenantSuspend } from './tenant/suspend.ts'
import { addTenantUndelete } from './tenant/undelete.ts'
import { addTenantUnregister } from './tenant/unregister.ts'
import { addWhy } from './why.ts'

/** 0: done. 1: it failed. 2: it was asked for wrongly, and nothing was done. */
export type ExitCode = 0 | 1 | 2

const MISUSE: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'invalid_tenant_id',
  'invalid_dsn',
  'invalid_config',
])

/** Runs one command line to its end. Never throws: whatever goes wrong is told in a line and in the exit code. */
export async function runCommandLine(outer: CommandLine, args: readonly string[]): Promise<ExitCode> {
  const cli = plainly(outer)
  const tree = commandTree(cli)
  try {
    await tree.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // it has told already
    cli.note(`error: ${tell(error, tree)}`)
    const isMisuse = error instanceof ZodError || (error instanceof TenantryError && MISUSE.has(error.code))
    return isMisuse ? 2 : 1
  }
}

/** Whatever a verb tells, and whose words ever it repeats, the terminal shows and does not obey. */
function plainly(cli: CommandLine): CommandLine {
  return {
    ...cli,
    print: (line) => cli.print(plainText(line)),
    note: (line) => cli.note(plainText(line)),
  }
}

/** Every verb there is, with its options and help. */
export function commandTree(cli: CommandLine): Command {
  const root = new Command('tenantry')
    .description('Routes an application to one Postgres database per tenant.')
    .version(VERSION)
    .enablePositionalOptions() // `exec --version NAME` is that verb's own
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('--help shows what it takes, with an example')
    .configureOutput({
      writeOut: (text) => cli.print(text.trimEnd()),
      writeErr: (text) => cli.note(text.trimEnd()),
    })
  for (const add of [addServe, addDemo, addInit, addLoad, addExec, addShell]) add(root, cli)
  const server = root.command('server').description('database servers')
  for (const add of [addServerAdd, addServerList, addServerAccept]) add(server, cli)
  for (const add of [addServerDrain, addServerUndrain, addServerSpares]) add(server, cli)
  const template = root.command('template').description('databases that tenants are copied from')
  for (const add of [addTemplateCreate, addTemplateList, addTemplateDrop]) add(template, cli)
  for (const add of [addServerShow, addServerRemove]) add(server, cli)
  const tenant = root.command('tenant').description('tenants')
  const ofTenants = [
    addTenantRegister,
    addTenantImport,
    addTenantUnregister,
    addTenantCreate,
    addTenantList,
    addTenantShow,
  ]
  for (const add of [...ofTenants, addTenantSuspend, addTenantResume, addTenantCheck]) add(tenant, cli)
  for (const add of [addTenantDelete, addTenantUndelete, addTenantPurge]) add(tenant, cli)
  addTenantSet(tenant, cli)
  addTenantAdopt(tenant, cli)
  const alias = tenant.command('alias').description('other names of a tenant')
  for (const add of [addTenantAliasAdd, addTenantAliasList, addTenantAliasRemove]) add(alias, cli)
  for (const add of [addTenantRotate, addTenantCredentials]) add(tenant, cli)
  const key = root.command('key').description('API keys')
  for (const add of [addKeyCreate, addKeyList, addKeyRevoke, addKeyRewrap]) add(key, cli)
  const operation = root.command('operation').description('what was begun and may have to be gone on with')
  for (const add of [addOperationList, addOperationShow, addOperationResume]) add(operation, cli)
  const pool = root.command('pool').description('pools of a running service')
  for (const add of [addPoolStats, addPoolTop, addPoolCancel, addPoolEvict, addPoolWarm]) add(pool, cli)
  for (const add of [addDoctor, addWhy]) add(root, cli)
  const audit = root.command('audit').description('who changed what, and who was refused')
  for (const add of [addAuditTail, addAuditVerify]) add(audit, cli)
  addRegistryMigrate(root.command('registry').description('where all of it is kept'), cli)
  return root
}

/** In words, never a stack. Causes are left out: they are what drivers say, and may hold what must not be shown. */
function tell(error: unknown, tree: Command): string {
  if (error instanceof ZodError)
    return error.issues.map(({ path, message }) => `${placeOf(path, tree)}${message}`).join('; ')
  if (error instanceof TenantryError) return error.message
  if (error instanceof Error && 'syscall' in error) return error.message // as of a port in use: says it all
  const message = error instanceof Error ? error.message.split('\n')[0] : ''
  return `unexpected: ${message || 'nothing is known about it'}`
}

/** As it is written on a command line, where it is an option's value; else as the record calls it. */
function placeOf(path: readonly PropertyKey[], tree: Command): string {
  if (path.length === 0) return ''
  const name = path.findLast((part) => typeof part === 'string')
  return `${(name && optionOf(name, tree)) ?? path.map(String).join('.')}: `
}

function optionOf(name: string, command: Command): string | undefined {
  const own = command.options.find((option) => option.attributeName() === name)?.long
  return own ?? command.commands.map((inner) => optionOf(name, inner)).find((long) => long !== undefined)
}

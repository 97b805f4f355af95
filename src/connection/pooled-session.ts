import { UnsupportedError } from '../errors.ts'
import type { Connection, ConnectionTarget } from './connection.ts'
import { PINNED, sessionSettings, startupSettings } from './startup-settings.ts'

/*
 * A session pooler gives us one backend for as long as we are connected, and takes only some settings at
 * login: the others are set right after it, and again after each reset. A transaction pooler gives us any
 * backend for each transaction, so nothing can be set, nothing may be left, and no statement has a name.
 */

export function isPooled({ via }: ConnectionTarget): boolean {
  return via !== undefined && via !== 'direct'
}

/** Each transaction may run on another backend, and others use it before and after. */
export function isShared({ via }: ConnectionTarget): boolean {
  return via === 'transaction-pooler'
}

/**
 * Makes the new session what a direct one is from its first packet on.
 * @throws {UnsupportedError} where that is impossible; what `Connection.run` throws.
 */
export async function arrangeSession(connection: Connection, target: ConnectionTarget): Promise<void> {
  if (isShared(target)) await checkFormats(connection)
  else if (isPooled(target)) await connection.run({ text: settingsText(target), prepare: false })
}

/** For a session pooler, which says `RESET ALL` goes back to what the role and the database have set. */
export function settingsText(target: ConnectionTarget): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`
  const calls = Object.entries(sessionSettings(target)).map(
    ([name, value]) => `pg_catalog.set_config(${quoted(name)}, ${quoted(value)}, false)`,
  )
  return `select ${calls.join(', ')}`
}

/** What the server says of values must be what we read them as; a role or database can have set it otherwise. */
async function checkFormats(connection: Connection): Promise<void> {
  const names = ['IntervalStyle', 'bytea_output', 'extra_float_digits'] as const
  const columns = names.map((name) => `pg_catalog.current_setting('${name}')`)
  const { rows } = await connection.run({
    text: `select ${columns.join(', ')}`,
    prepare: false,
    rowMode: 'array',
  })
  // One column for each name, all of them text.
  const found = rows[0] as string[]
  for (const [index, name] of names.entries()) {
    if (found[index] === PINNED[name]) continue
    throw new UnsupportedError(
      `${name} = ${found[index]} through a transaction pooler`,
      `ALTER ROLE … SET ${name} = '${PINNED[name]}', since the pooler takes no such setting from us`,
    )
  }
}

/** Of what they do, nothing ends with a transaction; or, the second, nothing has any effect outside of one. */
const LASTING: ReadonlySet<string> = new Set(['LISTEN', 'UNLISTEN', 'PREPARE', 'LOAD'])
const LASTING_OUTSIDE: ReadonlySet<string> = new Set(['SET', 'RESET', 'DEALLOCATE', 'DISCARD', 'DECLARE'])

/** Whether a command that has completed meant to leave something in its session. */
export function isLasting(command: string, isInTransaction: boolean): boolean {
  if (command === 'SET CONSTRAINTS' || command === 'PREPARE TRANSACTION') return false
  const word = command.split(' ', 1)[0] ?? ''
  return LASTING.has(word) || (!isInTransaction && LASTING_OUTSIDE.has(word))
}

/** It has run, on a backend that another may have by now; whoever sent it learns that it does not hold. */
export function lastingCommandError(command: string): UnsupportedError {
  return new UnsupportedError(
    `${command} through a transaction pooler, where each transaction may run on another backend,`,
    'SET LOCAL in a transaction holds until its end; for all else give the tenant a server without that pooler',
  )
}

/** A setting that the pooler keeps for us and that is not ours any more; undefined where all are. */
export function strayedSetting(
  target: ConnectionTarget,
  parameters: Readonly<Record<string, string>>,
): string | undefined {
  const wanted = Object.entries(startupSettings(target))
  return wanted.find(([name, value]) => parameters[name] !== undefined && parameters[name] !== value)?.[0]
}

/** Milliseconds: nobody else keeps the limit of a statement where the server is not told of it. */
export function ownStatementLimit(target: ConnectionTarget): number | undefined {
  const limit = Number(target.settings?.['statement_timeout'] ?? 0)
  return isShared(target) && limit > 0 ? limit : undefined
}

/** The pooler never gave the statement a backend. */
export function isTurnedAway(fatal: { readonly message: string } | undefined): boolean {
  return fatal?.message === 'query_wait_timeout'
}

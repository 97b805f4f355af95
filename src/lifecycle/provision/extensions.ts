import { z } from 'zod'
import { InternalError, PreconditionFailedError, SqlError } from '../../errors.ts'
import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-name.ts'
import type { ExtensionName } from './extension-names.ts'
import type { Provisioning } from './provisioning.ts'

export async function createExtensions(provisioning: Provisioning): Promise<void> {
  const { extensions, owner } = provisioning.plan
  const inside = await provisioning.adminInside()
  await inside.asRole(owner, () => makeExtensions(inside, extensions))
}

/**
 * As the role of the session, who owns the database or may create in it.
 * @throws {PreconditionFailedError} where the server has no such extension, or lets superusers alone make it.
 */
export async function makeExtensions(inside: Session, extensions: readonly ExtensionName[]): Promise<void> {
  for (const name of extensions) {
    try {
      await inside.execute(`create extension if not exists ${quoteName(name)} with schema public`)
    } catch (error) {
      throw error instanceof SqlError ? refusal(name, error.sqlstate) : error
    }
  }
  if (extensions.length > 0) await readBack(inside, extensions)
}

/** 0A000 (from 15: feature_not_supported) and 58P01: its files are not there. 42501: it is not trusted there. */
function refusal(name: string, sqlstate: string): PreconditionFailedError {
  const why =
    sqlstate === '42501'
      ? 'lets only a superuser make it'
      : sqlstate === '0A000' || sqlstate === '58P01' || sqlstate === '22023'
        ? 'does not have it'
        : `refuses it (${sqlstate})`
  return new PreconditionFailedError(`Extension ${name} cannot be made: the server ${why}.`)
}

async function readBack(inside: Session, extensions: readonly ExtensionName[]): Promise<void> {
  const found = await inside.rows(
    z.object({ name: z.string() }),
    `select e.extname::pg_catalog.text as name from pg_catalog.pg_extension e
      where e.extname in (${extensions.map(quoteText).join(', ')})`,
  )
  const there = new Set(found.map(({ name }) => name))
  const missing = extensions.filter((name) => !there.has(name))
  if (missing.length > 0)
    throw new InternalError(`extensions ${missing.join(', ')} are not as they were made`)
}

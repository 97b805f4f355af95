import { readdir, readFile } from 'node:fs/promises'
import type { Connection } from '../../connection/connection.ts'
import { InternalError, RegistryTooNewError, RegistryTooOldError } from '../../errors.ts'

/** At the same place beside `src/` and `dist/`. */
const FOLDER = new URL('../../../registry/postgres/', import.meta.url)
const NAME = /^(\d{3})-[a-z0-9-]+\.sql$/
/** What each file says of itself in the database. */
const NOTED = /insert into tenantry_registry\.migration \(version, readable_from\) values \((\d+), (\d+)\);/
/** Any number that nobody else locks: "tenantry" in ASCII. */
const LOCK = '8387228131405298297'

interface Migration {
  readonly version: number
  readonly readableFrom: number
  readonly name: string
  readonly text: string
}

interface SchemaVersion {
  readonly version: number
  /** What a process must know, at least, to go on with it. */
  readonly readableFrom: number
}

export interface SchemaChange {
  /** 0 where there was none. */
  readonly from: number
  readonly to: number
  /** The schema that a process must know, at least, to go on afterwards. */
  readonly readableFrom: number
  /** The files between, in order. */
  readonly steps: readonly string[]
}

/** `look` tells what `apply` would do; `refuse` throws where that is anything. */
export type MigrationMode = 'apply' | 'refuse' | 'look'

/**
 * Brings the schema to what this version knows, once, however many processes start together; changes
 * nothing where it is there already, so that then no right to create is needed.
 * @throws {RegistryTooNewError} when it is beyond what this version can read; {RegistryTooOldError} by `refuse`.
 */
export async function migrate(connection: Connection, mode: MigrationMode): Promise<SchemaChange> {
  const migrations = await readMigrations()
  const found = changeFrom(await versionOf(connection), migrations)
  if (found.steps.length === 0 || mode === 'look') return found
  if (mode === 'refuse') {
    throw new RegistryTooOldError(
      `the registry's schema is ${found.from}, this version needs ${found.to}: run \`tenantry registry migrate\``,
    )
  }
  await connection.run({ text: 'begin' })
  try {
    await connection.run({ text: `select pg_advisory_xact_lock(${LOCK})` })
    // Again, since another process may have been quicker.
    const change = changeFrom(await versionOf(connection), migrations)
    for (const { text } of migrations.filter(({ name }) => change.steps.includes(name))) {
      // Each file also says in the database that it was applied.
      await connection.run({ text, multiple: true })
    }
    await connection.run({ text: 'commit' })
    return change
  } catch (error) {
    await connection.run({ text: 'rollback' }).catch(() => {}) // a connection that is gone has rolled back
    throw error
  }
}

function changeFrom(
  { version, readableFrom }: SchemaVersion,
  migrations: readonly Migration[],
): SchemaChange {
  const known = migrations.at(-1)?.version ?? 0
  if (readableFrom > known) {
    throw new RegistryTooNewError(
      `the registry's schema ${version} needs version ${readableFrom}, this process knows ${known}`,
    )
  }
  const steps = migrations.filter((migration) => migration.version > version)
  return {
    from: version,
    to: Math.max(version, known),
    readableFrom: Math.max(readableFrom, ...steps.map((step) => step.readableFrom)),
    steps: steps.map(({ name }) => name),
  }
}

async function versionOf(connection: Connection): Promise<SchemaVersion> {
  const { rows } = await connection.run({
    // Not to_regclass(): within a transaction it may repeat what it found before another process made the table.
    text: `select exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'tenantry_registry' and c.relname = 'migration') as "isThere"`,
  })
  if (!isTrue(rows[0], 'isThere')) return { version: 0, readableFrom: 0 }
  const { rows: versions } = await connection.run({
    text: `select coalesce(max(version), 0)::int as version, coalesce(max(readable_from), 0)::int as "readableFrom"
      from tenantry_registry.migration`,
  })
  return versions[0] as unknown as SchemaVersion // the row of the statement above
}

function isTrue(row: unknown, column: string): boolean {
  return typeof row === 'object' && row !== null && Reflect.get(row, column) === true
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => NAME.test(name)).sort()
  return Promise.all(
    names.map(async (name, index) => {
      const text = await readFile(new URL(name, FOLDER), 'utf8')
      const [version, readableFrom] = (NOTED.exec(text) ?? []).slice(1).map(Number)
      if (Number(NAME.exec(name)?.[1]) !== index + 1 || version !== index + 1 || readableFrom === undefined) {
        throw new InternalError(`registry/postgres/${name}: expected number ${index + 1}, in it too`)
      }
      return { version, readableFrom, name, text }
    }),
  )
}

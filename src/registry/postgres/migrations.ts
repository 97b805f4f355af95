import { readdir, readFile } from 'node:fs/promises'
import type { Connection } from '../../connection/connection.ts'
import { InternalError, RegistryTooNewError } from '../../errors.ts'

/** At the same place beside `src/` and `dist/`. */
const FOLDER = new URL('../../../registry/postgres/', import.meta.url)
const NAME = /^(\d{3})-[a-z0-9-]+\.sql$/
/** Any number that nobody else locks: "tenantry" in ASCII. */
const LOCK = '8387228131405298297'

interface Migration {
  readonly version: number
  readonly name: string
  /** The first version of the schema that its readers must know, to go on with this one. */
  readonly readableFrom: number
  readonly text: string
}

interface SchemaVersion {
  readonly version: number
  readonly readableFrom: number
}

/**
 * Brings the schema to what this version knows, once, however many processes start together; changes
 * nothing where it is there already, so that then no right to create is needed.
 * @throws {RegistryTooNewError} when it is beyond what this version can read.
 */
export async function migrate(connection: Connection): Promise<void> {
  const migrations = await readMigrations()
  const known = migrations.at(-1)?.version ?? 0
  if (isDone(await versionOf(connection), known)) return
  await connection.run({ text: 'begin' })
  try {
    await connection.run({ text: `select pg_advisory_xact_lock(${LOCK})` })
    // Again, since another process may have been quicker.
    const present = await versionOf(connection)
    if (!isDone(present, known)) {
      for (const migration of migrations.filter(({ version }) => version > present.version)) {
        await apply(connection, migration)
      }
    }
    await connection.run({ text: 'commit' })
  } catch (error) {
    await connection.run({ text: 'rollback' }).catch(() => {}) // a connection that is gone has rolled back
    throw error
  }
}

function isDone(present: SchemaVersion, known: number): boolean {
  if (present.readableFrom > known) {
    throw new RegistryTooNewError(
      `the registry's schema ${present.version} needs version ${present.readableFrom}, this process knows ${known}`,
    )
  }
  return present.version >= known
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

async function apply(
  connection: Connection,
  { version, name, readableFrom, text }: Migration,
): Promise<void> {
  if (version === 1) {
    await connection.run({
      text: `create schema tenantry_registry;
        create table tenantry_registry.migration (
          version int primary key,
          name text not null,
          readable_from int not null,
          applied_at timestamptz not null default clock_timestamp()
        )`,
      multiple: true,
    })
  }
  await connection.run({ text, multiple: true })
  await connection.run({
    text: 'insert into tenantry_registry.migration (version, name, readable_from) values ($1, $2, $3)',
    params: [version, name, readableFrom],
  })
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => NAME.test(name)).sort()
  return Promise.all(
    names.map(async (name, index) => {
      const text = await readFile(new URL(name, FOLDER), 'utf8')
      const readableFrom = Number(/^-- readable-from: (\d+)$/m.exec(text)?.[1])
      const version = Number(NAME.exec(name)?.[1])
      if (!(readableFrom <= version) || version !== index + 1) {
        throw new InternalError(`${name}: expected number ${index + 1} and a line "-- readable-from: N"`)
      }
      return { version, name, readableFrom, text }
    }),
  )
}

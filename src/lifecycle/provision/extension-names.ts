import { z } from 'zod'

/**
 * Extensions that an owner who is no superuser may make (`trusted`, Postgres 15 to 18), less those that reach beyond
 * their database's rows: procedural languages, `lo`, `tcn` and `isn`'s weak mode stay out.
 */
export const EXTENSIONS = [
  'btree_gin',
  'btree_gist',
  'citext',
  'cube',
  'dict_int',
  'fuzzystrmatch',
  'hstore',
  'intarray',
  'ltree',
  'pg_trgm',
  'pgcrypto',
  'seg',
  'tablefunc',
  'tsm_system_rows',
  'tsm_system_time',
  'unaccent',
  'uuid-ossp',
] as const

export const ExtensionName = z.enum(EXTENSIONS, {
  error: ({ input }) =>
    `${JSON.stringify(input)} is not one of the extensions that a tenant may have: ${EXTENSIONS.join(', ')}`,
})
export type ExtensionName = z.output<typeof ExtensionName>

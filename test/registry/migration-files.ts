import { readdirSync } from 'node:fs'

/** Those that bring a registry in Postgres to this version, in order. */
export const MIGRATIONS = readdirSync(new URL('../../registry/postgres/', import.meta.url))
  .filter((name) => /^\d{3}-.*\.sql$/.test(name))
  .toSorted()

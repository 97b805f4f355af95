import { randomUUID } from 'node:crypto'
import type { QueryResultRow } from 'pg'
import { onTestFinished } from 'vitest'
import {
  PostgresRegistry,
  type PostgresRegistryOptions,
} from '../../src/registry/postgres/postgres-registry.ts'
import { Secret } from '../../src/secret.ts'
import { sharedPostgres } from '../support/postgres.ts'

/** A management database of its own, dropped without FORCE: a session that outlives its registry fails the test. */
export async function newManagementDatabase(version: 15 | 18 = 18) {
  const server = sharedPostgres(version)
  const name = `registry-${randomUUID().slice(0, 8)}`
  await server.createDatabase(name)
  // Not when it is disposed of: a registry may still be saying goodbye then.
  onTestFinished(() => server.dropDatabase(name))
  return {
    name,
    open: (options?: PostgresRegistryOptions) => PostgresRegistry.open(new Secret(server.dsn(name)), options),
    query: <Row extends QueryResultRow>(text: string, params?: unknown[]) =>
      server.query<Row>(text, params, name),
    sessions: () => server.sessionsOf(name),
    [Symbol.asyncDispose]: async () => {},
  }
}

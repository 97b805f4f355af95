import { randomUUID } from 'node:crypto'
import type { QueryResultRow } from 'pg'
import { expect, onTestFinished, vi } from 'vitest'
import {
  PostgresRegistry,
  type PostgresRegistryOptions,
} from '../../src/registry/postgres/postgres-registry.ts'
import { Secret } from '../../src/secret.ts'
import { sharedPostgres } from '../support/postgres.ts'

/**
 * One database for the tests of a process, which come one after the other: to make and drop one costs a checkpoint.
 * It goes with the server, at the end of the run.
 */
const made = new Map<15 | 18, Promise<string>>()

/** An empty management database. A session that outlives its registry fails the test. */
export async function newManagementDatabase(version: 15 | 18 = 18) {
  const server = sharedPostgres(version)
  let making = made.get(version)
  if (making === undefined) {
    making = makeDatabase(version)
    made.set(version, making)
  }
  const name = await making
  // Not when it is disposed of: a registry may still be saying goodbye then.
  onTestFinished(async () => {
    await vi.waitFor(async () => expect(await server.sessionsOf(name)).toBe(0), { timeout: 5_000 })
    await server.execute('drop schema if exists tenantry_registry cascade', name)
  })
  return {
    name,
    open: (options?: PostgresRegistryOptions) => PostgresRegistry.open(new Secret(server.dsn(name)), options),
    query: <Row extends QueryResultRow>(text: string, params?: unknown[]) =>
      server.query<Row>(text, params, name),
    sessions: () => server.sessionsOf(name),
    [Symbol.asyncDispose]: async () => {},
  }
}

async function makeDatabase(version: 15 | 18): Promise<string> {
  const name = `registry-${randomUUID().slice(0, 8)}`
  await sharedPostgres(version).createDatabase(name)
  return name
}

import { inspect } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { InvalidDsnError, RegistryUnavailableError } from '../../src/errors.ts'
import { PostgresRegistry } from '../../src/registry/postgres/postgres-registry.ts'
import { Secret } from '../../src/secret.ts'
import { freeze } from '../support/freeze.ts'
import { sharedPostgres } from '../support/postgres.ts'
import { Followed } from './followed.ts'
import { newManagementDatabase } from './management-database.ts'
import { change, create, tenant } from './records.ts'

const within5s = { timeout: 5_000, interval: 20 }

describe('a registry in Postgres, when things go wrong', () => {
  it('hears of a change whose notification was lost', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open()
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    await database.query(`with r as (update tenantry_registry.registry set revision = revision + 1 returning revision)
      insert into tenantry_registry.change select revision, 'tenant', 'quiet' from r`)
    await vi.waitFor(() => expect(followed.names()).toEqual(['tenant quiet']), {
      timeout: 2_000,
      interval: 20,
    })
  })

  it('whose own row is gone is silent, says so, and is followed on when it is back', async () => {
    await using database = await newManagementDatabase()
    const faults: Error[] = []
    await using registry = await database.open({ pollMs: 20, onFault: (fault) => faults.push(fault) })
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    await create(registry, tenant('acme'))
    await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme']), within5s)
    await database.query('create table public.kept as select * from tenantry_registry.registry')
    await database.query('delete from tenantry_registry.registry')
    await vi.waitFor(() => expect(faults).toHaveLength(1), within5s)
    expect(faults.map(String)).toEqual([expect.stringContaining("the registry's own row is not in")])
    await database.query('insert into tenantry_registry.registry select * from public.kept')
    await database.query('drop table public.kept')
    await change(registry, tenant('acme', { epoch: 2 }))
    await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme', 'tenant acme']), within5s)
    expect(followed.resets).toBe(1)
  })

  it('goes on after all its sessions were ended, and tells what changed meanwhile', async () => {
    await using database = await newManagementDatabase()
    const faults: Error[] = []
    await using registry = await database.open({ onFault: (fault) => faults.push(fault) })
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    for (let round = 0; round < 3; round++) {
      await database.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
      const endedAt = performance.now()
      await change(registry, tenant('acme', { epoch: round + 1 }))
      await vi.waitFor(() => expect(followed.changes).toHaveLength(round + 1), within5s)
      expect(performance.now() - endedAt).toBeLessThan(5_000)
    }
    expect(followed.resets).toBe(1)
    expect(faults.length).toBeGreaterThan(0)
  })

  it('answers in time that it cannot be asked while the server is frozen, and works when it thaws', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open({ timeoutMs: 300 })
    await using followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    await create(registry, tenant('acme'))
    await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme']), within5s)
    const rows = await database.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and application_name = 'tenantry registry'`,
    )
    expect(rows.length).toBeGreaterThanOrEqual(2)
    for (const { pid } of rows) freeze(pid)
    try {
      const before = performance.now()
      const calls = await Promise.allSettled([
        registry.find('tenant', 'acme'),
        create(registry, tenant('globex')),
      ])
      expect(performance.now() - before).toBeLessThan(1_300)
      // One may have taken a connection that was opened later and is not frozen.
      expect(reasonsOf(calls).length).toBeGreaterThan(0)
      expect(reasonsOf(calls).every((reason) => reason instanceof RegistryUnavailableError)).toBe(true)
    } finally {
      for (const { pid } of rows) process.kill(pid, 'SIGCONT')
    }
    const thawedAt = performance.now()
    expect((await registry.find('tenant', 'acme'))?.record.id).toBe('acme')
    await create(registry, tenant('initech'))
    await vi.waitFor(() => expect(followed.names()).toContain('tenant initech'), within5s)
    expect(performance.now() - thawedAt).toBeLessThan(5_000)
  })

  it('leaves no session behind when it closes, also with calls under way', async () => {
    await using database = await newManagementDatabase()
    const registry = await database.open()
    const followed = new Followed(registry)
    await vi.waitFor(() => expect(followed.resets).toBe(1), within5s)
    const calls = Promise.allSettled(Array.from({ length: 10 }, () => registry.find('tenant', 'acme')))
    await registry.close()
    expect(reasonsOf(await calls).every((reason) => reason instanceof RegistryUnavailableError)).toBe(true)
    await vi.waitFor(async () => expect(await database.sessions()).toBe(0), within5s)
    expect(followed.isEnded).toBe(true)
  })

  it('names no password when it cannot be opened', async () => {
    const wrong = new Secret(sharedPostgres().dsn('postgres', 'nobody', 'canary-77'))
    const refused = PostgresRegistry.open(wrong)
    await expect(refused).rejects.toBeInstanceOf(RegistryUnavailableError)
    await expect(refused.catch((error: unknown) => inspect(error))).resolves.not.toContain('canary-77')
    await expect(PostgresRegistry.open(new Secret('postgres://x?sslmode=bogus'))).rejects.toBeInstanceOf(
      InvalidDsnError,
    )
  })
})

function reasonsOf(calls: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return calls.filter((call) => call.status === 'rejected').map(({ reason }) => reason as unknown)
}

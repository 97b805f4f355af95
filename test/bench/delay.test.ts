import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { startDelay } from '../../bench/delay/start-delay.ts'
import { sharedPostgres } from '../support/postgres.ts'

describe('the delay between contestant and Postgres', () => {
  it('adds at least its time to each round trip, in order, and passes the end of a session on', async () => {
    const server = sharedPostgres()
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-delay-'))
    const ground = { address: { host: server.host, port: server.port }, adminDsn: () => server.dsn() }
    try {
      await using delay = await startDelay(ground, 20, folder)
      expect(delay.addedMs).toBeGreaterThan(19)
      const client = new pg.Client({ ...delay.address, database: 'postgres', ...server.superuser })
      await client.connect()
      const many = await client.query<{ n: number }>('select n from generate_series(1, 50000) n')
      expect(many.rows.map(({ n }) => n)).toEqual(Array.from({ length: 50_000 }, (_, i) => i + 1))
      await client.end()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

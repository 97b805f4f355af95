import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseDsn } from '../../src/connection/dsn.ts'
import { openConnection } from '../../src/connection/open.ts'
import { ServerWatch } from '../../src/load/server-watch.ts'
import { sharedPostgres } from '../support/postgres.ts'

describe('the look at the server', () => {
  it('counts logins and the most connections in the databases it is told, and no others', async () => {
    const server = sharedPostgres()
    const [watched, other] = ['watched', 'other'].map((stem) => `${stem}_${randomBytes(6).toString('hex')}`)
    for (const database of [watched, other]) await server.createDatabase(database ?? '')
    const admin = await openConnection(parseDsn(server.dsn()), { connectTimeoutMs: 5_000 })
    const watch = new ServerWatch(admin, [watched ?? ''])
    await watch.begin()
    const open = await Promise.all([watched, watched, watched, other].map((name) => server.connect(name)))
    for (const client of open) await client.query('select pg_sleep(0.3)')
    for (const client of open) await client.end()
    const late = await server.connect(watched)
    await late.query('select 1')
    await late.end()
    const view = await watch.end()
    await admin.close()
    for (const database of [watched, other]) await server.dropDatabase(database ?? '')
    expect(view).toMatchObject({ maxConnections: 3, logins: 4 })
    expect(view.samples).toBeGreaterThan(1)
  }, 20_000)
})

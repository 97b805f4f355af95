import { existsSync } from 'node:fs'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { isAlive } from '../../src/demo/process-table.ts'
import { sharedPostgres, startPostgres } from './postgres.ts'

describe.each([15, 18] as const)('the shared Postgres %i', (version) => {
  it('is of that version and asks for SCRAM passwords', async () => {
    const server = sharedPostgres(version)
    const [row] = await server.query("select current_setting('server_version_num')::int / 10000 as major")
    expect(row).toEqual({ major: version })
    const wrong = new pg.Client({ connectionString: server.dsn('postgres', 'postgres', 'wrong') })
    await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' })
  })

  it('makes and drops databases and roles of any name, and counts their sessions', async () => {
    const server = sharedPostgres(version)
    const name = `Odd "Name" ${crypto.randomUUID()}`
    await server.createRole(name, 'it@s:/?')
    await server.createDatabase(name, { owner: name })
    const client = new pg.Client({ connectionString: server.dsn(name, name, 'it@s:/?') })
    await client.connect()
    expect(await server.sessionsOf(name)).toBe(1)
    await client.end()
    await server.dropDatabase(name)
    await server.dropRole(name)
    expect(await server.query('select from pg_database where datname = $1', [name])).toEqual([])
  })
})

describe('a Postgres of its own', () => {
  it('survives a crash with its data and its port, and leaves nothing when it is stopped', async () => {
    const server = await startPostgres()
    await server.execute('create table kept as select 7 as n')
    const first = server.pid
    await server.kill9()
    await server.restart()
    expect(server.pid).not.toBe(first)
    const [row] = await server.query("select n, current_setting('data_directory') as folder from kept")
    expect(row).toMatchObject({ n: 7 })
    await server.stop()
    expect(isAlive(server.pid)).toBe(false)
    expect(existsSync(String(row?.['folder']))).toBe(false)
  })

  it('answers nobody while it is paused, and everybody afterwards', async () => {
    await using server = await startPostgres()
    server.pause()
    const client = new pg.Client({ connectionString: server.dsn(), connectionTimeoutMillis: 200 })
    await expect(client.connect()).rejects.toThrow(/timeout/)
    server.resume()
    expect(await server.query('select 1 as n')).toEqual([{ n: 1 }])
  })
})

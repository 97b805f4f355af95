import { existsSync } from 'node:fs'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { isAlive } from '../../src/demo/process-table.ts'
import { startPgBouncer } from './pgbouncer.ts'
import { sharedPostgres } from './postgres.ts'

describe('a PgBouncer of its own', () => {
  it('lets in whom it knows by the right password, as themselves, and leaves nothing when it is stopped', async () => {
    const server = sharedPostgres()
    const name = `r_${crypto.randomUUID().replaceAll('-', '')}`
    await server.createRole(name, 'its "password"')
    const pooler = await startPgBouncer({
      server,
      poolMode: 'transaction',
      users: [{ name, password: 'its "password"' }],
      databases: { home: 'postgres' },
      defaultPoolSize: 2,
    })
    const ask = async (password: string) => {
      const client = new pg.Client({
        host: pooler.host,
        port: pooler.port,
        user: name,
        password,
        database: 'home',
      })
      client.on('error', () => undefined)
      try {
        await client.connect()
        return (await client.query('select current_user, current_database()')).rows
      } finally {
        await client.end()
      }
    }
    expect(await ask('its "password"')).toEqual([{ current_user: name, current_database: 'postgres' }])
    await expect(ask('wrong')).rejects.toMatchObject({ code: '08P01' })
    const [pool] = (await pooler.console('show pools')).filter((row) => row['database'] === 'home')
    expect(pool).toMatchObject({ user: name, pool_mode: 'transaction' })
    const file = (await pooler.console('show config')).find((row) => row['key'] === 'auth_file')
    const path = String(file?.['value'])
    expect(existsSync(path)).toBe(true)
    await pooler.stop()
    expect(isAlive(pooler.pid)).toBe(false)
    expect(existsSync(path)).toBe(false)
    await server.dropRole(name)
  })
})

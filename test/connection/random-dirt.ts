import { expect, it } from 'vitest'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { startGround } from './ground.ts'

/** What a tenant's SQL can leave in a session; `%n`: a number of its own for each. */
const DIRT = [
  'set search_path = evil%n',
  "select set_config('search_path', 'evil%n', false)",
  "set timezone = 'Asia/Tokyo'",
  'set statement_timeout = %n',
  'set default_transaction_read_only = on',
  'set session characteristics as transaction isolation level serializable',
  'create temp table mine%n (n int)',
  'create temp view seen%n as select 1',
  'select 1 as n into temp copied%n',
  'prepare plan%n as select 1',
  'declare held%n cursor with hold for select 1',
  'listen channel%n',
  'select pg_advisory_lock(%n)',
  'select pg_advisory_lock_shared(%n, 1)',
  'do $$ begin perform pg_advisory_lock(%n) ; end $$',
  'begin',
  'begin isolation level serializable read only',
  'savepoint s%n',
  'select 1/0',
  'set local search_path = evil%n',
  'lock table pg_temp.mine%n',
  'rollback',
  'nonsense %n',
]

const CLEAN_ROOM = `select
  (select pg_catalog.string_agg(name || '=' || setting, ' ' order by name) from pg_catalog.pg_settings where source = 'session') as settings,
  pg_catalog.current_setting('search_path') as path, pg_catalog.current_setting('TimeZone') as zone,
  pg_catalog.current_setting('transaction_isolation') as isolation,
  (select count(*)::int from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()) as locks,
  (select count(*)::int from pg_catalog.pg_listening_channels()) as channels,
  (select count(*)::int from pg_catalog.pg_cursors where name <> '') as cursors,
  (select count(*)::int from pg_catalog.pg_prepared_statements) as statements,
  (select count(*)::int from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema()) as temporary`

async function probe(connection: DriverConnection): Promise<unknown> {
  return (await connection.run({ text: CLEAN_ROOM, prepare: false })).rows[0]
}

/** As many requests, each of up to four of these at random, and after each a look at what its session holds. */
export function describeRandomDirt(requests: number): void {
  it(`leaves nothing of ${requests.toLocaleString('en')} random dirty requests to the next of the same connection`, async () => {
    await using ground = await startGround()
    const connection = await ground.open()
    const clean = await probe(connection)
    let dirty = 0
    for (let n = 1; n <= requests; n += 1) {
      const texts: string[] = []
      const statements = 1 + Math.floor(Math.random() * 4)
      for (let at = 0; at < statements; at += 1) {
        const text = (DIRT[Math.floor(Math.random() * DIRT.length)] ?? '').replaceAll('%n', String(n))
        texts.push(text)
        await connection.run({ text, prepare: false }).catch(() => undefined) // many are refused
      }
      if (connection.transaction !== 'idle' || connection.residue !== 'none') dirty += 1
      await connection.clean('foreign')
      expect([texts, connection.isOpen, await probe(connection)]).toEqual([texts, true, clean])
    }
    expect(dirty).toBeGreaterThan(requests / 4)
  })
}

import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  DOORS,
  type DoorName,
  expectCleanRoom,
  HostileGround,
  stateBy,
  UNDISTURBED,
} from './hostile-ground.ts'

const SETTINGS = [
  'search_path',
  'timezone',
  'datestyle',
  'client_encoding',
  'bytea_output',
  'statement_timeout',
  'lock_timeout',
  'role',
  'session_authorization',
  'default_transaction_read_only',
  'default_transaction_isolation',
  'transaction_read_only',
  'standard_conforming_strings',
  'row_security',
  'application_name',
  'client_min_messages',
  'work_mem',
  'check_function_bodies',
  'xmloption',
  'app.planted',
  'a."Planted"',
]
const VALUES = [
  'default',
  'on',
  'off',
  "'evil'",
  "'UTC'",
  '0',
  '77',
  "'latin1'",
  "'serializable'",
  'none',
  "'64MB'",
]

/** `%n`: a small number, so that what is made is also found, and found twice. */
const TEXTS = [
  'begin',
  'begin isolation level serializable read only deferrable',
  'start transaction read write',
  'commit',
  'rollback',
  'abort and chain',
  'savepoint s%n',
  'release s%n',
  'rollback to s%n',
  "prepare transaction 'evil%n'",
  'create temp table t%n (n int)',
  'create temp table d%n (n int) on commit drop',
  'create temp view v%n as select %n as n',
  'create temp sequence q%n',
  "select nextval('q%n')",
  'select %n as n into temp i%n',
  'create function pg_temp.f%n() returns int language sql as $$ select %n $$',
  'insert into t%n values (%n)',
  'table t%n',
  'drop table if exists t%n',
  'prepare p%n as select %n',
  'execute p%n',
  'deallocate p%n',
  'deallocate all',
  'declare c%n cursor with hold for select generate_series(1, %n)',
  'declare c%n scroll cursor for select generate_series(1, %n)',
  'fetch 1 from c%n',
  'close all',
  'listen l%n',
  "notify l%n, 'evil'",
  'unlisten l%n',
  'select pg_advisory_lock(%n)',
  'select pg_try_advisory_lock_shared(%n, %n)',
  'select pg_advisory_xact_lock(%n)',
  'select pg_advisory_unlock_all()',
  'lock table notes in row share mode',
  'select * from notes where id = %n for update',
  "insert into notes values (1000 + %n, 'evil', 'dirt') on conflict do nothing",
  'delete from notes where id > 1000',
  'select %n / 0',
  'nonsense %n',
  'select setseed(0.%n)',
  'select lo_create(0)',
  'discard all',
  'discard temp',
  'reset all',
  'set constraints all deferred',
  'set transaction isolation level repeatable read',
  'set session characteristics as transaction read only',
  "load 'evil%n'",
  'copy notes from stdin',
  'copy (select %n) to stdout',
  'select pg_cancel_backend(pg_backend_pid())',
  'select %n; select %n',
  "select E'\\\\x' || repeat('x', 10000)",
  'explain analyze select pg_advisory_lock(%n)',
]

const assignment = fc
  .tuple(fc.constantFrom('session', 'local'), fc.constantFrom(...SETTINGS), fc.constantFrom(...VALUES))
  .map(([scope, name, value]) => `set ${scope} ${name} to ${value}`)
const configured = fc
  .tuple(fc.constantFrom(...SETTINGS), fc.constantFrom(...VALUES), fc.boolean())
  .map(([name, value, isLocal]) => `select set_config('${name}', '${value.replaceAll("'", '')}', ${isLocal})`)
const spoken = fc
  .tuple(fc.constantFrom(...TEXTS), fc.integer({ min: 1, max: 3 }))
  .map(([text, n]) => text.replaceAll('%n', String(n)))
/** As it is, or from within code, where no command tag tells of it. */
const statement = fc
  .tuple(
    fc.oneof(assignment, configured, { arbitrary: spoken, weight: 4 }),
    fc.constantFrom('plain', 'plain', 'code', 'caught'),
  )
  .map(([text, how]) => {
    if (how === 'plain') return text
    const quoted = `execute $evil$${text}$evil$`
    return how === 'code'
      ? `do $code$ begin ${quoted}; end $code$`
      : `do $code$ begin ${quoted}; perform 1/0; exception when others then null; end $code$`
  })
/** Some are left before they are answered. */
const request = fc.record({
  door: fc.constantFrom<DoorName>(...DOORS),
  sql: statement,
  leftAfterMs: fc.option(fc.integer({ min: 0, max: 3 }), { freq: 12, nil: undefined }),
})

/** A few requests at a time by the tenant's own key, and after them a look by that key, and by one of the team. */
export function describeRandomDirt(statements: number): void {
  it(`leaves a clean room after each of ${statements.toLocaleString('en')} random dirty statements`, async () => {
    await using ground = await HostileGround.start()
    const fresh = await stateBy(ground.door('query'))
    const application = await stateBy(ground.door('query', 'service'))
    let sent = 0
    let accepted = 0
    const pids = new Set<number>()
    const property = fc.asyncProperty(
      fc.array(request, { minLength: 4, maxLength: 12 }),
      async (requests) => {
        for (const { door, sql, leftAfterMs } of requests) {
          const signal = leftAfterMs === undefined ? undefined : AbortSignal.timeout(leftAfterMs)
          const { status } = await ground.door(door).ask(sql, [], signal)
          sent++
          if (status === 200) accepted++
        }
        pids.add(await expectCleanRoom(ground.door('query'), fresh, 'by the same key'))
        const service = await stateBy(ground.door('query', 'service'))
        expect(service.state).toEqual(application.state)
        expect(pids.has(service.pid)).toBe(false)
      },
    )
    while (sent < statements) await fc.assert(property, { numRuns: 15 })
    // Dirt that is refused, and rooms that are new each time, would show nothing.
    expect(accepted).toBeGreaterThan(sent / 8)
    expect(pids.size).toBeLessThan(sent / 4)
    process.stdout.write(
      `random dirt over HTTP: ${JSON.stringify({ sent, accepted, backends: pids.size })}\n`,
    )
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  }, 1_800_000)
}

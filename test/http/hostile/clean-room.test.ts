import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DoorName,
  expectCleanRoom,
  HostileGround,
  MAIN_DOORS,
  stateBy,
  UNDISTURBED,
} from './hostile-ground.ts'
import type { SessionState } from './session-state.ts'

/** Requests one after another; each is one statement. Some are refused: what they left must go all the same. */
const ATTACKS: readonly (readonly [string, readonly string[]])[] = [
  ['SET of what names mean', ['set search_path to evil, pg_temp']],
  ['SET of how values are written', ["set datestyle to 'SQL, DMY'", "set intervalstyle to 'iso_8601'"]],
  ['SET of how bytes are written', ['set bytea_output to escape']],
  ['SET of the encoding', ["set names 'latin1'"]],
  ['SET of how texts are read', ['set standard_conforming_strings to off']],
  ['SET of digits', ['set extra_float_digits to 3']],
  ['SET of the time zone', ["set time zone 'Asia/Tokyo'"]],
  ['SET of limits', ['set statement_timeout to 0', 'set idle_in_transaction_session_timeout to 0']],
  ['SET of memory', ["set work_mem to '100GB'"]],
  ['SET of what is told', ['set client_min_messages to debug5', 'set application_name to evil']],
  ['SET of how plans are made', ['set plan_cache_mode to force_generic_plan', 'set enable_seqscan to off']],
  [
    'SET of a level for all transactions',
    ['set session characteristics as transaction isolation level serializable'],
  ],
  ['SET of read-only for all', ['set default_transaction_read_only to on']],
  ['SET LOCAL outside', ["set local time zone 'Asia/Tokyo'"]],
  ['SET ROLE', ['set role none', 'set role to current_user']],
  [
    'SET SESSION AUTHORIZATION',
    ['set session authorization default', 'set session authorization current_user'],
  ],
  ['SET CONSTRAINTS', ['set constraints all deferred']],
  ['a setting that it made up', ["set app.planted to 'evil'"]],
  [
    'set_config',
    ["select set_config('app.planted', 'evil', false), set_config('search_path', 'evil', false)"],
  ],
  ['set_config in code', ["do $$ begin perform set_config('app.planted', 'evil', false); end $$"]],
  ['a transaction left open', ['begin']],
  ['one with a level and a savepoint', ['begin isolation level serializable read only', 'savepoint s']],
  ['one with a change in it', ['begin', "insert into notes values (900, 'evil', 'left')"]],
  ['one that failed', ['begin', 'select 1/0']],
  ['a transaction that begins the next', ['commit and chain', 'rollback and chain']],
  ['two-phase commit', ['begin', "prepare transaction 'evil'"]],
  ['a temporary table', ['create temp table planted (n int)', 'select 1 as n into temp planted2']],
  ['a temporary view', ['create temp view planted as select 1']],
  ['a temporary function', ["create function pg_temp.now() returns text language sql as 'select ''evil'''"]],
  ['a temporary type', ['create type pg_temp.planted as (n int)', 'create temp sequence planted3']],
  ['LISTEN', ['listen planted', "notify planted, 'evil'", "do $$ begin execute 'listen planted2'; end $$"]],
  [
    'advisory locks',
    ['select pg_advisory_lock(n) from generate_series(1, 100) n', 'select pg_advisory_lock_shared(1, 1)'],
  ],
  ['advisory locks of a transaction', ['begin', 'select pg_advisory_xact_lock(7)']],
  ['a lock on its table', ['begin', 'lock table notes in share mode']],
  [
    'PREPARE',
    [
      'prepare planted as select 1',
      'execute planted',
      "do $$ begin execute 'prepare planted2 as select 1'; end $$",
    ],
  ],
  ['DEALLOCATE', ['deallocate all']],
  ['a cursor WITH HOLD', ['declare planted cursor with hold for select 1', 'fetch 1 from planted']],
  ['a cursor', ['begin', 'declare planted cursor for select 1']],
  ['DISCARD', ['discard temp', 'discard plans', 'discard sequences', 'discard all']],
  ['RESET', ['reset all', 'reset role', 'reset session authorization', 'reset search_path']],
  ['LOAD', ["load 'nothing'", "load '$libdir/plugins/nothing'"]],
  ['COPY', ['copy notes from stdin', 'copy notes to stdout', 'copy (select 1) to stdout (format binary)']],
  ['a large object', ['begin', 'select lo_open(lo_create(0), 131072)']],
  [
    'code that fails late',
    ["do $$ begin perform set_config('time zone', 'Asia/Tokyo', false); raise 'late'; end $$"],
  ],
  ['a snapshot', ['begin isolation level repeatable read', 'select pg_export_snapshot()']],
  ['the end of its session', ['select pg_terminate_backend(pg_backend_pid())']],
  [
    'the end of all its sessions',
    ['select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user'],
  ],
  ['a cancel of itself', ['select pg_cancel_backend(pg_backend_pid()), pg_sleep(1)']],
  ['a session that ends when idle', ['set idle_session_timeout to 1']],
  ['a transaction that ends when idle', ['set idle_in_transaction_session_timeout to 1', 'begin']],
  ['a limit for transactions', ['set transaction_timeout to 1', 'select pg_sleep(0.05)']],
]

let ground: HostileGround
const fresh = new Map<DoorName, SessionState>()
const applications = new Set<number>()
const foreigners = new Set<number>()
let application: SessionState

beforeAll(async () => {
  ground = await HostileGround.start()
  for (const name of MAIN_DOORS) fresh.set(name, await stateBy(ground.door(name)))
  application = await stateBy(ground.door('query', 'service'))
})
afterAll(() => ground[Symbol.asyncDispose]())

const freshBy = (name: DoorName): SessionState => {
  const state = fresh.get(name)
  if (!state) throw new Error(`no state was read by ${name}`)
  return state
}

describe.each(MAIN_DOORS)('a tenant key, by %s', (name) => {
  it.each(ATTACKS)(
    'leaves nothing to its next request, or to the application, of %s',
    async (what, texts) => {
      for (const text of texts) await ground.door(name).ask(text)
      foreigners.add(await expectCleanRoom(ground.door(name), freshBy(name), what))
      const service = await stateBy(ground.door('query', 'service'))
      expect(service.state).toEqual(application.state)
      applications.add(service.pid)
    },
  )
})

describe('the connections of those keys', () => {
  it('serve one trust each, and are used again', () => {
    expect([...applications].filter((pid) => foreigners.has(pid))).toEqual([])
    expect(foreigners.size).toBeLessThan(ATTACKS.length)
  })
})

describe('another tenant, meanwhile,', () => {
  it('is served as ever, by connections that nobody ended', async () => {
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  })
})

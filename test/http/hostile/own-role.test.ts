import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { PINNED } from '../../../src/connection/startup-settings.ts'
import { HostileGround, type KeyKind, stateBy, UNDISTURBED } from './hostile-ground.ts'
import type { SessionState } from './session-state.ts'

let ground: HostileGround
const breakersOpened: string[] = []
let fresh: SessionState

beforeAll(async () => {
  ground = await HostileGround.start({
    tenantApp: {
      limits: {
        maxRows: 1_000,
        maxResultBytes: 1_000_000,
        maxStreamBytes: 1_000_000,
        statementTimeoutMs: 500,
      },
    },
  })
  ground.http.world.router.on('breakerOpened', ({ error }) => breakersOpened.push(error.message))
  fresh = await stateBy(ground.door('query'))
})
/** As its operator would: by the admin, or by the other login slot of a rotation. */
afterEach(async () => {
  const { world } = ground.http
  await world.server.query(`alter role ${world.placeOf('evil').role} reset all`)
  world.router.evict('evil')
  const isServed = async () => (await ask('select 1')).status === 200
  await vi.waitUntil(isServed, { timeout: 10_000 })
})
afterAll(() => ground[Symbol.asyncDispose]())

const ask = (sql: string, kind: KeyKind = 'tenant') => ground.door('query', kind).ask(sql)

/** It is told to end, goes on, and does not look whether its client is there. */
const STUBBORN = `do $$ begin
  perform set_config('client_connection_check_interval', '0', false);
  loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop;
end $$`

/** Of its statements that run, as the server sees them. */
async function running(): Promise<number | undefined> {
  const { world } = ground.http
  const [row] = await world.server.query<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where datname = $1 and state = 'active'",
    [world.placeOf('evil').database],
  )
  return row?.n
}

/** Its later sessions have it from their first packet on. */
async function setForItself(setting: string): Promise<void> {
  expect((await ask(`alter role current_user set ${setting}`)).status).toBe(200)
  ground.http.world.router.evict('evil')
}

describe('a tenant key that changes the defaults of its own role', () => {
  it.each([
    ["local_preload_libraries to 'nothing'", ['server_unavailable']],
    ['idle_session_timeout to 1', ['server_unavailable', 'outcome_unknown', 'connection_lost', '200']],
  ])('so that its sessions end, %s, cuts off nobody but itself', async (setting, bearable) => {
    await setForItself(setting)
    const codes = new Set<string>()
    for (let n = 0; n < 6; n++) {
      const { status, json } = await ask('select 1', n % 2 === 0 ? 'tenant' : 'service')
      codes.add(status === 200 ? '200' : json.code)
    }
    expect([...codes].filter((code) => !bearable.includes(code))).toEqual([])
    expect(breakersOpened).toEqual([])
  })

  it.each(["local_preload_libraries to 'nothing'", 'idle_session_timeout to 1', 'transaction_timeout to 1'])(
    'keeps no backend from being ended by %s',
    async (setting) => {
      expect((await ask(`alter role current_user set ${setting}`)).status).toBe(200)
      expect((await ask(STUBBORN)).json.code).toBe('outcome_unknown')
      await vi.waitFor(async () => expect(await running()).toBe(0), { timeout: 8_000, interval: 100 })
    },
  )

  it.each([
    ["client_encoding to 'latin1'"],
    ["datestyle to 'SQL, DMY'"],
    ["intervalstyle to 'iso_8601'"],
    ['bytea_output to escape'],
    ['extra_float_digits to 0'],
    ['standard_conforming_strings to off'],
    ['statement_timeout to 1'],
    ['idle_in_transaction_session_timeout to 1'],
    ["timezone to 'Asia/Tokyo'"],
    ["role to 'pg_monitor'"],
    ["session_authorization to 'postgres'"],
  ])('changes nothing by %s', async (setting) => {
    await setForItself(setting)
    const { state } = await stateBy(ground.door('query'))
    expect(state).toEqual(fresh.state)
    // The application's statements have names, this one too.
    const service = await stateBy(ground.door('query', 'service'))
    expect(service.state).toEqual({ ...fresh.state, prepared: 1 })
    expect(Object.keys(state.settings ?? {})).toEqual(expect.arrayContaining(Object.keys(PINNED)))
  })

  it('changes what names mean in all its later sessions, those of the application too: that remains', async () => {
    await setForItself('search_path to evil')
    for (const kind of ['tenant', 'service'] as const) {
      const { json } = await ask('show search_path', kind)
      expect([kind, json.rows]).toEqual([kind, [{ search_path: 'evil' }]])
    }
  })
})

describe('another tenant, meanwhile,', () => {
  it('is served as ever', async () => {
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HostileGround, type KeyKind, UNDISTURBED } from './hostile-ground.ts'

let ground: HostileGround
beforeAll(async () => {
  ground = await HostileGround.start()
})
afterAll(() => ground[Symbol.asyncDispose]())

/** The first row of its answer. */
async function row(sql: string, kind: KeyKind = 'tenant') {
  const { json } = await ground.door('query', kind).ask(sql)
  return json.rows[0]
}

const PLANTED = "select pg_catalog.current_setting('app.planted', true) as planted"

describe('what a tenant key leaves to its next request, and docs/security-model.md says', () => {
  it('is the seed of random()', async () => {
    const client = await ground.http.world.server.connect()
    await client.query('select setseed(0.5)')
    const { rows } = await client.query('select random() as drawn')
    await client.end()
    await row('select setseed(0.5)')
    expect(await row('select random() as drawn')).toEqual(rows[0])
  })

  it('is that a setting of a made-up name was there, and never its value', async () => {
    expect(await row(PLANTED)).toEqual({ planted: null })
    await row("select set_config('app.planted', 'evil', false)")
    expect(await row(PLANTED)).toEqual({ planted: '' })
    expect(await row(PLANTED, 'service')).toEqual({ planted: null })
  })

  it('is a temporary schema, with nothing in it', async () => {
    const sql = `select pg_my_temp_schema() <> 0 as is_there,
      (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema()) as n`
    await ground.door('query').ask('create temp table planted (n int)')
    expect(await row(sql)).toEqual({ is_there: true, n: 0 })
  })
})

describe('what a service key leaves to the next of the same tenant, and docs/operations.md says', () => {
  it.each([
    [
      'a setting by set_config',
      "select set_config('app.planted', 'left', false)",
      PLANTED,
      { planted: 'left' },
    ],
    [
      'an advisory lock',
      'select pg_advisory_lock(7)',
      `select count(*)::int as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
      { n: 1 },
    ],
    ['a table by SELECT INTO', 'select 7 as n into temp planted', 'select n from planted', { n: 7 }],
  ])('is %s: nothing of it reaches the tenant key, or another tenant', async (_, leave, look, left) => {
    await ground.door('query', 'service').ask(leave)
    expect(await row(look, 'service')).toEqual(left)
    const own = await ground.door('query').ask(look)
    expect(own.json.rows?.[0]).not.toEqual(left)
    const other = await ground.http.ask('/v1/query', {
      key: ground.serviceKey,
      headers: { 'x-tenant-id': 'good' },
      body: { sql: look },
    })
    expect(other.json.rows?.[0]).not.toEqual(left)
  })
})

describe('another tenant, meanwhile,', () => {
  it('is served as ever, by connections that nobody ended', async () => {
    expect(await ground.neighbour.report()).toEqual(UNDISTURBED)
  })
})
